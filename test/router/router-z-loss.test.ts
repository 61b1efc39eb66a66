import * as tf from '@tensorflow/tfjs-core';
import {routerZLoss} from 'tfjs-moe/router';
import {test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {expectClose} from '../support/expect-close.js';
import {centralDifference, randomLogits, slowZ} from './reference.js';

/** float32 sums of some tens of terms of magnitude one; relative for larger values. */
const ROUNDING = 3e-6;

eachBackend('routerZLoss', () => {
  test('gives the number of TensorFlow Model Garden for one token', () => {
    // tensorflow/models, moe_test.py: logits (10, 5), (5 + ln(e^5 + 1))^2 = 10.0067153^2 = 100.13435.
    const expected = (5 + Math.log(Math.exp(5) + 1)) ** 2;
    expectClose([expected], [100.13435], 5e-6);
    expectClose(routerZLoss(tf.tensor2d([[10, 5]])), [expected], 100 * ROUNDING);
  });

  test('gives the number of Hugging Face for Switch Transformers', () => {
    // From the tests of transformers, test_equivalency_router_z_loss.
    const logits = [
      [-4.2124424, 3.891939, -3.6481273, 1.8849981],
      [0.32625437, 2.918651, 0.84758997, -4.556842],
      [-3.32062, 4.6977115, -0.15439987, 0.44086337],
      [3.4467149, 4.3436565, -4.7224274, -4.264637],
      [-2.224406, -2.5318158, -1.3832569, 1.1891162],
      [-2.320062, -0.44705987, 4.289819, -0.00662684],
      [0.99470854, -0.6992364, 0.25503993, 4.2952085],
      [3.5937333, -3.2408535, -4.298278, 4.426601],
      [0.7669008, 2.6588762, 2.4505413, 4.6051874],
      [0.23330331, -3.0845237, 0.6262374, -2.9865491],
      [0.7595146, -2.1099675, -4.155346, -2.8326452],
      [2.3771453, 1.004138, -3.1781673, 0.7581556],
    ];
    expectClose(routerZLoss(tf.reshape(tf.tensor2d(logits), [2, 6, 4])), [13.786719], 5 * ROUNDING);
  });

  test('moves by a known amount when a number is added to all logits', () => {
    // log sum exp moves by c: mean (z + c)^2 = mean z^2 + 2 c mean z + c^2.
    const logits = randomLogits(9, 6, 4);
    const z = logits.map(row => Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)));
    const meanZ = z.reduce((a, b) => a + b) / z.length;
    for (const by of [-2, 3]) {
      const expected = slowZ(logits) + 2 * by * meanZ + by * by;
      expectClose(routerZLoss(tf.add(tf.tensor2d(logits), by)), [expected], 10 * ROUNDING);
    }
  });

  test('is the square of ln E for zero logits, and of 1 + ln 7 for seven ones', () => {
    expectClose(routerZLoss(tf.zeros([3, 2, 4])), [Math.log(4) ** 2], ROUNDING);
    expectClose(routerZLoss(tf.ones([2, 7])), [(1 + Math.log(7)) ** 2], 10 * ROUNDING);
  });

  test('has the value and the gradient of a loop in float64', () => {
    const logits = randomLogits(9, 6, 4);
    expectClose(routerZLoss(tf.tensor2d(logits)), [slowZ(logits)], 4 * ROUNDING);
    expectClose(tf.grad(x => routerZLoss(x))(tf.tensor2d(logits)), centralDifference(slowZ, logits), ROUNDING);
  });

  test('has the right gradient where logits are equal', () => {
    // d/dz_e of (logsumexp)^2 is 2 ln(4) / 4 for four zeros.
    expectClose(tf.grad(x => routerZLoss(x))(tf.zeros([1, 4])), new Array(4).fill(Math.log(4) / 2), ROUNDING);
  });
});
