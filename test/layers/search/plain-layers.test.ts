// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {architectureLogits, searchCell} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {plainCell, plainCopies} from '../../../src/layers/search/plain-layers.js';
import {eachBackend} from '../../support/each-backend.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, list} from '../../support/expect-close.js';
import {LEAVES_LONG, WHY_LONG} from '../../support/long-tests.js';

const [NONE, SKIP, DENSE] = [0, 1, 2];

/** All choices of three operations on six edges. */
const CELLS = Array.from({length: 3 ** 6}, (_, code) =>
  [0, 1, 2, 3, 4, 5].map(edge => Math.floor(code / 3 ** edge) % 3),
);

eachBackend('plainCell', () => {
  // Within a model tfjs frees what a layer gave as soon as it thinks that all who take it have: a node that skips make one with another is
  // taken by several, and more than once by a sum.
  test.skipIf(LEAVES_LONG)(
    `each of 729 cells is a model within another, with the output of the cell${WHY_LONG}`,
    async () => {
      const operations = ['none', 'skip_connect', {name: 'dense', layer: tfl.layers.dense({units: 2})}];
      const architecture = architectureLogits({operations: ['none', 'skip_connect', 'dense'], name: 'choices'});
      const cell = searchCell({operations: operations as never, seed: 2, name: 'cell'});
      const before = tfl.layers.dense({units: 2, name: 'before'});
      const input = tfl.input({shape: [3]});
      const middle = before.apply(input) as tfl.SymbolicTensor;
      cell.apply([middle, architecture.apply(middle) as tfl.SymbolicTensor]);
      const {cell: built} = await cell.searched();
      const x = tf.tensor2d(numbers(4, 12), [4, 3]);
      for (const choices of CELLS) {
        architecture.hold(choices);
        const inside = before.apply(x) as tf.Tensor;
        const expected = list(cell.apply([inside, architecture.apply(inside) as tf.Tensor]) as tf.Tensor);
        const model = tfl.model({inputs: input, outputs: plainCell(built, choices, middle, plainCopies())});
        expectClose(list(model.apply(x) as tf.Tensor), expected, 1e-5);
      }
      expect(CELLS).toContainEqual([SKIP, SKIP, SKIP, DENSE, SKIP, SKIP]);
      expect(CELLS).toContainEqual([NONE, NONE, NONE, NONE, NONE, NONE]);
    },
  );
});
