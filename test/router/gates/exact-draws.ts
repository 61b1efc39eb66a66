// The oracles of the sparse router gradients: expectations over all draws and coins, with no Monte Carlo error, and true gradients in float64.
import * as tf from '@tensorflow/tfjs-core';
import type {Routing} from '../../../src/router/types.js';
import {numbers} from '../../support/enumerate.js';
import {centralDifference, softmax} from '../reference.js';

/** A function of an expert's weighted output, for numbers and for the rows of a tensor. */
export interface Objective {
  ofVector(y: readonly number[]): number;
  ofRows(y: tf.Tensor): tf.Tensor;
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

/** a.y + quadratic (b.y)(c.y) + cubic (b.y)^3 + quartic (c.y)^4. */
function polynomial(quadratic: number, cubic: number, quartic: number): Objective {
  const [a, b, c] = [numbers(21, 3), numbers(22, 3), numbers(23, 3)];
  return {
    ofVector: y => dot(a, y) + quadratic * dot(b, y) * dot(c, y) + cubic * dot(b, y) ** 3 + quartic * dot(c, y) ** 4,
    ofRows: y => {
      const along = (direction: number[]) => tf.sum(tf.mul(y, tf.tensor1d(direction)), 1);
      const [ay, by, cy] = [along(a), along(b), along(c)];
      return tf.addN([
        ay,
        tf.mul(quadratic, tf.mul(by, cy)),
        tf.mul(cubic, tf.mul(by, tf.square(by))),
        tf.mul(quartic, tf.square(tf.square(cy))),
      ]);
    },
  };
}

export const LINEAR = polynomial(0, 0, 0);
export const QUADRATIC = polynomial(1, 0, 0);
export const CUBIC = polynomial(1, 1, 0);
export const QUARTIC = polynomial(1, 1, 1);

/** Four experts' outputs, three features each, large enough that the orders differ after a product with a probability. */
export const EXPERTS: number[][] = Array.from({length: 4}, (_, e) => numbers(30 + e, 3, -6, 6));

/** A router called with one draw and one coin a row. */
export type GivenRouter = (logits: tf.Tensor2D, given: tf.Tensor2D, givenCoin: tf.Tensor2D) => Routing;

/**
 * sum over D and B of P(D) P(B) times the gradient of f(weight expert_D) with respect to the logits.
 *
 * @param probs P(D).
 * @param heads P(B = 1).
 */
export function expectedGradient(
  route: GivenRouter,
  f: Objective,
  logits: readonly number[],
  probs: readonly number[],
  heads: number,
): number[] {
  const cases = probs.flatMap((p, d) => [
    {d, coin: 1, chance: p * heads},
    {d, coin: 0, chance: p * (1 - heads)},
  ]);
  const column = (values: number[], dtype: 'int32' | 'float32') => tf.tensor2d(values, [values.length, 1], dtype);
  const given = column(
    cases.map(c => c.d),
    'int32',
  );
  const coins = column(
    cases.map(c => c.coin),
    'float32',
  );
  const chances = tf.tensor1d(cases.map(c => c.chance));
  const outputs = tf.tensor2d(cases.map(c => EXPERTS[c.d]!));
  const loss = (x: tf.Tensor) => {
    const {weights} = route(x as tf.Tensor2D, given, coins);
    return tf.sum(tf.mul(chances, f.ofRows(tf.mul(weights, outputs))));
  };
  const gradient = tf.grad(loss)(tf.tensor2d(cases.map(() => [...logits])));
  return Array.from(tf.sum(gradient, 0).dataSync());
}

/** softmax(logits / temperature) over the experts that are kept, 0 for the others. */
export function maskedSoftmax(logits: readonly number[], kept: readonly boolean[], temperature = 1): number[] {
  return softmax(logits.map((z, e) => (kept[e] ? z / temperature : Number.NEGATIVE_INFINITY)));
}

const scaled = (e: number, weight: number) => EXPERTS[e]!.map(v => weight * v);

/** The gradient of E f(p_D expert_D) with respect to the logits, the mask held. */
export function trueGradient(f: Objective, logits: number[], kept: readonly boolean[], temperature = 1): number[] {
  const expected = ([row]: number[][]) =>
    maskedSoftmax(row!, kept, temperature).reduce((sum, p, e) => sum + p * f.ofVector(scaled(e, p)), 0);
  return centralDifference(expected, [logits]);
}

/** The same with the p_D inside f held too: what the choice contributes, without the weight. */
export function detachedGradient(f: Objective, logits: number[], kept: readonly boolean[]): number[] {
  const held = maskedSoftmax(logits, kept);
  const expected = ([row]: number[][]) =>
    maskedSoftmax(row!, kept).reduce((sum, p, e) => sum + p * f.ofVector(scaled(e, held[e]!)), 0);
  return centralDifference(expected, [logits]);
}

/** The gradient of E f(expert_D), for routers of weight 1. */
export function unweightedGradient(f: Objective, logits: number[]): number[] {
  const expected = ([row]: number[][]) => softmax(row!).reduce((sum, p, e) => sum + p * f.ofVector(EXPERTS[e]!), 0);
  return centralDifference(expected, [logits]);
}

const norm = (v: readonly number[]) => Math.sqrt(dot(v, v));

/** |estimate - truth| / |truth|. */
export function relativeError(estimate: readonly number[], truth: readonly number[]): number {
  return norm(estimate.map((v, i) => v - truth[i]!)) / norm(truth);
}
