// The way of backends that keep their tensors on a device, run on cpu and wasm by telling the library that they do.
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/router';
import {describe, expect, test} from 'vitest';
import {denseMixer} from '../../../src/router/gates/dense-mixer.js';
import {sparseMixer} from '../../../src/router/gates/sparse-mixer.js';
import {sparseMixerV2} from '../../../src/router/gates/sparse-mixer-v2.js';
import {sparseMixerV2Star} from '../../../src/router/gates/sparse-mixer-v2-star.js';
import {sparseReinmax} from '../../../src/router/gates/sparse-reinmax.js';
import {sparseStraightThrough} from '../../../src/router/gates/sparse-straight-through.js';
import type {Router} from '../../../src/router/types.js';
import {onDevice, onHost} from '../../support/device.js';
import {eachBackend} from '../../support/each-backend.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, list} from '../../support/expect-close.js';

/** float32 sums in another order. */
const ROUNDING = 1e-6;

const ROUTERS: [string, Router, number][] = [
  ['sparseMixer', sparseMixer, 1],
  ['sparseMixerV2', sparseMixerV2, 2],
  ['sparseMixerV2Star', sparseMixerV2Star, 2],
  ['sparseReinmax', sparseReinmax, 2],
  ['sparseStraightThrough', sparseStraightThrough, 2],
  ['denseMixer', denseMixer, 2],
];

describe.each(ROUTERS)('%s', (_name, route, topK) => {
  eachBackend('on a device', () => {
    test('routes as on the host, with the same gradient, and reads nothing', () => {
      const x = tf.tensor2d(numbers(3, 60, 1, 1.2), [12, 5]);
      const mask = tf.tensor1d([1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1]);
      for (const training of [true, false]) {
        const run = () => {
          const options = () => ({topK, training, mask, random: seeded(2)});
          const {indices, weights} = route(x, options());
          return [indices, weights, tf.grad(y => route(y as tf.Tensor2D, options()).weights)(x)];
        };
        const expected = onHost(run);
        onDevice(run).forEach((tensor, i) => {
          expectClose(tensor, list(expected[i]!), ROUNDING);
        });
      }
    });

    test('gives a token that leaves nothing to choose from the index -1 and a weight of NaN', () => {
      const x = tf.tensor2d([[Number.NaN, 1, 2], new Array(3).fill(Number.NEGATIVE_INFINITY), [1, 2, 3]]);
      for (const training of [true, false]) {
        const {indices, weights} = onDevice(() => route(x, {training}));
        expect(list(indices).slice(0, 2)).toEqual([-1, -1]);
        expect(list(weights).map(Number.isNaN)).toEqual([true, true, false]);
      }
    });
  });
});
