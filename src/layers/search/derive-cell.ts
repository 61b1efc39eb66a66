// A cell without its search: what was chosen, as an ordinary tfjs model.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {formatArchitecture} from './architecture-string.js';
import type {CellOperations} from './edge-operations.js';
import {plainCell, plainCopies} from './plain-layers.js';

/** What a search found. */
export interface DerivedArchitecture {
  /** The operation's index on each edge, in the order 0>1, 0>2, 1>2, 0>3, ... */
  choices: number[];
  /** The operations' names. */
  operations: string[];
  /** The cell in the form of NAS-Bench-201, `|op~0|+|op~0|op~1|+...`. */
  architecture: string;
  /** From the cell's input to its output, of tfjs' own layers and those of the candidates, with copies of the cell's weights; owned by the caller. */
  model: tfl.LayersModel;
}

/** Derives a cell; see `SearchCell.deriveArchitecture`. */
export function deriveCell(
  cell: CellOperations,
  choices: readonly number[],
  names: readonly string[],
): DerivedArchitecture {
  const input = tfl.input({shape: cell.shapes[0]!.slice(1)});
  const output = plainCell(cell, choices, input, plainCopies());
  return {
    choices: [...choices],
    operations: choices.map(choice => names[choice]!),
    architecture: formatArchitecture(choices, names),
    model: tfl.model({inputs: input, outputs: output}),
  };
}
