// Sparse mixtures for tests, and what they should give: all experts evaluated, weighted by the router, without the choices that a slow loop drops.
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {type GumbelMoE, type GumbelMoEArgs, gumbelMoE} from 'tfjs-moe/layers';
import type {AssignmentOrder} from 'tfjs-moe/router';
import {slowAssign} from '../router/slow-assign.js';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';

/** A few products and sums of a small network in float32. */
export const NETWORK = 1e-5;

/** Width of the tokens, and of the outputs unless `units` says otherwise. */
export const WIDTH = 3;

export const run = (layer: tfl.layers.Layer, x: tf.Tensor, kwargs: object = {}) => layer.apply(x, kwargs) as tf.Tensor;

/** A sparse mixture of four experts with a seed, built for tokens of WIDTH. */
export function sparse(args: Partial<GumbelMoEArgs> = {}): GumbelMoE {
  const experts = args.experts ? {} : {hiddenUnits: [5]};
  const moe = gumbelMoE({numExperts: 4, compute: 'sparse', seed: 1, name: 'moe', ...experts, ...args});
  tf.tidy(() => {
    run(moe, tf.zeros([1, WIDTH]));
  });
  return moe;
}

/** Tokens in (-1, 1). */
export const tokens = (rows = 12, seed = 1) => tf.tensor2d(numbers(seed, rows * WIDTH), [rows, WIDTH]);

export const variables = (layer: tfl.layers.Layer) =>
  layer.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);

/** The weight of a layer that has this end of a name. */
export const weightOf = (layer: tfl.layers.Layer, end: string) =>
  layer.weights.find(({originalName}) => originalName.endsWith(end))!;

/** A gradient as a list; zeros for what the loss does not depend on, such as the kernel of a router that hashes. */
const gradientOf = (variable: tf.Variable, grads: tf.NamedTensorMap) =>
  grads[variable.name] ? list(grads[variable.name]!) : new Array<number>(variable.size).fill(0);

/** The gradients of a quadratic loss of an output: for the tokens, then for all trained weights in order. */
export function gradients(moe: tfl.layers.Layer, x: tf.Tensor2D, forward: (x: tf.Tensor2D) => tf.Tensor): number[][] {
  return tf.tidy(() => {
    const input = tf.variable(x);
    const loss = () => {
      const y = forward(input);
      return tf.sum(tf.square(tf.sub(y, tf.tensor(numbers(7, y.size), y.shape)))) as tf.Scalar;
    };
    const all = [input, ...variables(moe)];
    const {grads} = tf.variableGrads(loss, all);
    const lists = all.map(variable => gradientOf(variable, grads));
    input.dispose();
    return lists;
  });
}

/** The loss of a model's step, layer losses included, and its gradients for all trained weights in order. */
export function step(layer: tfl.layers.Layer, forward: () => tf.Tensor): {loss: number; grads: number[][]} {
  return tf.tidy(() => {
    const all = variables(layer);
    const {value, grads} = tf.variableGrads(
      () => tf.addN([tf.sum(tf.square(forward())), ...layer.calculateLosses()]) as tf.Scalar,
      all,
    );
    return {loss: list(value)[0]!, grads: all.map(variable => gradientOf(variable, grads))};
  });
}

/** What a call is like, for the oracle. */
export interface OracleCall {
  training: boolean;
  mask?: tf.Tensor1D;
  /** C; undefined where nothing is dropped. */
  capacity?: number | undefined;
  order?: AssignmentOrder;
  /** One for each token, for the random order. */
  uniforms?: number[];
}

/** sum over experts of weight times output, all experts evaluated; the router's choices stand in falling order of their weights. */
export function allExperts(moe: GumbelMoE, x: tf.Tensor2D, call: OracleCall): tf.Tensor {
  const {training, mask} = call;
  const weights = run(moe.router, x, {training, ...(mask && {mask})}) as tf.Tensor2D;
  const kept = call.capacity === undefined ? weights : tf.mul(weights, keptChoices(weights, call));
  const columns = moe.experts.length === 1 ? [kept] : tf.split(kept, moe.experts.length, 1);
  return tf.addN(moe.experts.map((expert, e) => tf.mul(columns[e]!, run(expert, x, {training}))));
}

/** [T, E]: 1 where a choice has a place, by the slow assignment. */
function keptChoices(weights: tf.Tensor2D, {capacity, order = 'position', uniforms = []}: OracleCall): tf.Tensor {
  const rows = weights.arraySync();
  const numExperts = weights.shape[1];
  const topK = Math.max(1, ...rows.map(row => row.filter(w => w !== 0).length));
  const indices = rows.map(row => {
    const chosen = row.map((_, e) => e).filter(e => row[e] !== 0);
    chosen.sort((a, b) => row[b]! - row[a]!);
    return [...chosen, ...new Array<number>(topK - chosen.length).fill(-1)];
  });
  const ofChoices = indices.map((row, t) => row.map(e => (e < 0 ? 0 : rows[t]![e]!)));
  const {experts} = slowAssign({indices, numExperts, capacity, order, weights: ofChoices, uniforms});
  return tf.tensor2d(experts.map(row => rows[0]!.map((_, e) => (row.includes(e) ? 1 : 0))));
}

/** C as routing.md has it: min(T, max(minCapacity, ceil(factor K T / E))). */
export function places(T: number, E: number, K: number, factor: number, minCapacity: number): number {
  return Math.min(T, Math.max(minCapacity, Math.ceil((factor * K * T) / E - 1e-9)));
}

/** Sets the router's kernel so that a one-hot token e of width E goes to expert `to[e]`, with probability near 1. */
export function routeOneHots(moe: GumbelMoE, to: readonly number[], logit = 20): void {
  const numExperts = moe.router.numExperts;
  tf.tidy(() => {
    const kernel = to.map(expert => Array.from({length: numExperts}, (_, e) => (e === expert ? logit : 0)));
    weightOf(moe.router, '/kernel').write(tf.tensor2d(kernel));
  });
}

/** Kernels that decide, sort or count. */
const DECISIONS =
  /^(TopK|ArgM|Greater|Less|Equal|NotEqual|Cum|OneHot|ScatterNd|GatherNd|Multinomial|Unique|Sign|Ceil|Floor|Round|Step|Sort)/;

/** The kernels that a training step records for its gradient, and those of them that decide. */
export function recorded(
  moe: GumbelMoE,
  x: tf.Tensor2D,
  kwargs: object = {},
): {kernels: string[]; decisions: string[]} {
  const names = new Set<string>();
  tf.variableGrads(() => {
    const y = tf.sum(run(moe, x, {training: true, ...kwargs}));
    const loss = tf.addN([y, ...moe.calculateLosses()]) as tf.Scalar;
    for (const {kernelName} of tf.engine().state.activeTape) names.add(kernelName);
    return loss;
  }, variables(moe));
  const kernels = [...names];
  return {kernels, decisions: kernels.filter(name => DECISIONS.test(name))};
}
