import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {cosineLogits} from '../../src/router/cosine-logits.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, expectFinite} from '../support/expect-close.js';
import {centralDifference, flat, type Rows} from './reference.js';
import {sum} from './slow-routing.js';

/** Products of eight numbers and quotients by their lengths in float32, times a factor of up to 2. */
const ROUNDING = 5e-6;

const rows = (seed: number, m: number, n: number): Rows =>
  Array.from({length: m}, (_, i) => numbers(seed + i, n, -2, 2));
const X = rows(1, 3, 4);
const P = rows(20, 4, 5);
const W = rows(40, 5, 2);
const LOG = Math.log(2);

function slow(x: Rows, p: Rows, w: Rows, log: number): number[] {
  return x.flatMap(row => {
    const y = p[0]!.map((_, j) => sum(row.map((v, i) => v * p[i]![j]!)));
    return w[0]!.map((_, e) => {
      const c = w.map(r => r[e]!);
      return (
        (Math.exp(Math.min(log, Math.log(100))) * sum(y.map((v, j) => v * c[j]!))) /
        (Math.hypot(...y) * Math.hypot(...c))
      );
    });
  });
}

const weighted = (values: ArrayLike<number>) => sum(Array.from(values, (v, i) => v * Math.sin(1 + i)));
/** Of the processor: WGSL lets a sine be 5e-4 off. */
const sines = (shape: number[]) =>
  tf.tensor(
    Array.from({length: tf.util.sizeFromShape(shape)}, (_, i) => Math.sin(1 + i)),
    shape,
  );
const loss = (x: tf.Tensor, p: tf.Tensor, w: tf.Tensor, log: tf.Tensor) => {
  const z = cosineLogits(x as tf.Tensor2D, p as tf.Tensor2D, w as tf.Tensor2D, log as tf.Scalar);
  return tf.sum(tf.mul(z, sines(z.shape))) as tf.Scalar;
};

eachBackend('cosineLogits', () => {
  test('has the value and all gradients of a loop in float64', () => {
    const inputs = [tf.tensor2d(X), tf.tensor2d(P), tf.tensor2d(W), tf.scalar(LOG)] as const;
    expectClose(cosineLogits(...inputs), slow(X, P, W, LOG), ROUNDING);
    const [ofX, ofP, ofW, ofLog] = tf.grads((x, p, w, log) => loss(x!, p!, w!, log!))([...inputs]);
    expectClose(
      ofX!,
      centralDifference(x => weighted(slow(x, P, W, LOG)), X),
      ROUNDING,
    );
    expectClose(
      ofP!,
      centralDifference(p => weighted(slow(X, p, W, LOG)), P),
      ROUNDING,
    );
    expectClose(
      ofW!,
      centralDifference(w => weighted(slow(X, P, w, LOG)), W),
      ROUNDING,
    );
    expectClose(
      ofLog!,
      centralDifference(([row]) => weighted(slow(X, P, W, row![0]!)), [[LOG]]),
      ROUNDING,
    );
  });

  test('does not depend on the lengths of tokens and centroids, however large or small', () => {
    for (const factor of [1e-25, 1e25]) {
      const [x, w] = [tf.mul(tf.tensor2d(X), factor), tf.mul(tf.tensor2d(W), 1 / factor)] as tf.Tensor2D[];
      expectClose(cosineLogits(x!, tf.tensor2d(P), w!, tf.scalar(LOG)), slow(X, P, W, LOG), ROUNDING);
    }
  });

  test('bounds the factor by 100, beyond which the temperature has no gradient', () => {
    const [x, p, w] = [tf.tensor2d(X), tf.tensor2d(P), tf.tensor2d(W)];
    expectClose(cosineLogits(x, p, w, tf.scalar(9)), slow(X, P, W, Math.log(100)), 50 * ROUNDING);
    expectClose(tf.grad(log => loss(x, p, w, log))(tf.scalar(9)), [0], 0);
  });

  test('takes vectors of zeros as orthogonal to all, with finite gradients', () => {
    const x = tf.tensor2d([X[0]!, [0, 0, 0, 0]]);
    const w = tf.tensor2d(W.map(([a]) => [a!, 0]));
    const inputs = [x, tf.tensor2d(P), w, tf.scalar(LOG)] as const;
    expectClose(cosineLogits(...inputs), [slow([X[0]!], P, W, LOG)[0]!, 0, 0, 0], ROUNDING);
    for (const gradient of tf.grads((a, b, c, d) => loss(a!, b!, c!, d!))([...inputs])) expectFinite(gradient);
  });

  test('works for no tokens and one expert, and refuses shapes that do not match', () => {
    const one = tf.tensor2d(flat(W).slice(0, 5), [5, 1]);
    expect(cosineLogits(tf.zeros([0, 4]), tf.tensor2d(P), one, tf.scalar(0)).shape).toEqual([0, 1]);
    expect(() => cosineLogits(tf.zeros([2, 3]), tf.tensor2d(P), one, tf.scalar(0))).toThrow(
      'cosineLogits: projection must have shape [features, projected] = [3, any], but got [4, 5].',
    );
    expect(() => cosineLogits(tf.zeros([2, 4]), tf.tensor2d(P), tf.zeros([4, 2]), tf.scalar(0))).toThrow(
      'cosineLogits: centroids must have shape [projected, experts] = [5, any], but got [4, 2].',
    );
  });
});
