// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import {type DiscreteSample, reinmax} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';

// By its types above all, which `npm run lint` checks.
test('what an estimator returns may be returned from tf.tidy', () => {
  const before = tf.memory().numTensors;
  const {sample, probs}: DiscreteSample = tf.tidy(() => reinmax(tf.tensor1d([0.5, -1])));
  expect([sample.shape, probs.shape]).toEqual([[2], [2]]);
  tf.dispose([sample, probs]);
  expect(tf.memory().numTensors).toBe(before);
});
