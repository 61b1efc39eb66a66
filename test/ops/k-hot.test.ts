import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {kHot, kHotOnDevice, kHotOnHost} from '../../src/ops/k-hot.js';
import {ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';

eachBackend('kHot', () => {
  for (const [name, way] of Object.entries({kHot, ...(ON_HOST && {kHotOnHost}), kHotOnDevice})) {
    test(`${name} has ones at the indices of each row, and none for -1`, () => {
      const indices = tf.tensor2d([2, 0, -1, 1, -1, -1], [3, 2], 'int32');
      const result = way(indices, 3);
      expect(result.dtype).toBe('float32');
      expect(result.arraySync()).toEqual([
        [1, 0, 1],
        [0, 1, 0],
        [0, 0, 0],
      ]);
    });

    test(`${name} takes a size of 1, no rows and no choices`, () => {
      expect(way(tf.tensor2d([0, -1], [2, 1], 'int32'), 1).arraySync()).toEqual([[1], [0]]);
      expect(way(tf.zeros([0, 2], 'int32'), 3).shape).toEqual([0, 3]);
      expect(way(tf.zeros([2, 0], 'int32'), 3).arraySync()).toEqual([
        [0, 0, 0],
        [0, 0, 0],
      ]);
    });
  }
});
