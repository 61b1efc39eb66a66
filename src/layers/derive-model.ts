// A whole network without its search: each cell as what it chose, in layers of tfjs.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import {copyGraph} from './search/copy-graph.js';
import type {CellOperations} from './search/edge-operations.js';
import {type Copier, oneOrList, plainCell, plainCopies} from './search/plain-layers.js';
import {SearchCell} from './search-cell.js';

/** What is known of a model's cells before it is copied. */
interface Found {
  cells: Map<tfl.layers.Layer, {cell: CellOperations; choices: readonly number[]; copyLayer: Copier}>;
  nested: Map<tfl.layers.Layer, tfl.LayersModel>;
}

/**
 * Copies a model with each `SearchCell` in it replaced by its likeliest operations, and without the layers that chose. What is left are layers of
 * tfjs (convolution blocks become their activation, convolution and batch normalization) and those of one's own, with copies of the weights: a
 * model to train on, to save, and to load without this library. A cell within a wrapper such as TimeDistributed, or within a layer of one's own, is
 * not looked for.
 *
 * @param model Functional or sequential; models within it are copied likewise.
 * @returns The model, not compiled, owned by the caller.
 * @throws ValueError for a cell that was given tensors of choices, and knows no layer that they come from.
 * @example
 * ```ts
 * const found = await deriveModel(searched);
 * await found.save(fileSystem('found'));
 * ```
 */
export async function deriveModel(model: tfl.LayersModel): Promise<tfl.LayersModel> {
  if (!(model instanceof tfl.LayersModel)) {
    throw new ValueError(`deriveModel: model must be a tfjs LayersModel, but got ${show(model)}.`);
  }
  const found = await findCells(model);
  const inputs = model.inputs.map(({shape, dtype, name}) => tfl.input({batchShape: shape, dtype, name}));
  const copyLayer = plainCopies();
  const outputs = copyGraph(model, inputs, ({layer, inputs: sources, callArgs}, copyOf) => {
    const cell = found.cells.get(layer);
    if (cell !== undefined) return [plainCell(cell.cell, cell.choices, copyOf(sources[0]!), cell.copyLayer)];
    const tensors = oneOrList(sources.map(copyOf));
    const nested = found.nested.get(layer);
    return nested
      ? ([nested.apply(tensors, callArgs)].flat() as tfl.SymbolicTensor[])
      : copyLayer(layer)(tensors, callArgs);
  });
  return tfl.model({inputs, outputs, name: model.name});
}

/** Reads what the cells of a model chose, which takes waiting, and derives the models within it. */
async function findCells(model: tfl.LayersModel): Promise<Found> {
  const found: Found = {cells: new Map(), nested: new Map()};
  for (const layer of model.layers) {
    if (layer instanceof SearchCell) {
      found.cells.set(layer, {...(await layer.searched()), copyLayer: plainCopies(`${layer.name}_`)});
    } else if (layer instanceof tfl.LayersModel) found.nested.set(layer, await deriveModel(layer));
  }
  return found;
}
