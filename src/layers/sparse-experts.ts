// Evaluates each expert on its own rows alone: dispatch, experts, combine.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {isOnHost} from '../ops/host-read.js';
import {kHot} from '../ops/k-hot.js';
import {noGradient} from '../ops/no-gradient.js';
import {combineFromBuffers, dispatchToBuffers} from '../router/capacity-dispatch.js';
import {combineByOneHot, dispatchByOneHot} from '../router/one-hot-dispatch.js';
import {planRows} from '../router/permutation.js';
import {combineRows, dispatchRows} from '../router/ragged-dispatch.js';
import type {Assignment, Routing} from '../router/types.js';
import {batchOutputs, stackOutputs} from './expert-stack.js';
import {FeedForwardExpert} from './feed-forward-expert.js';

/**
 * How tokens travel to their experts. 'ragged': each expert's rows one after the other, for backends that keep tensors on the host.
 * 'capacity': buffers of equal size, without a readback, for GPUs. 'oneHot': products with one-hot matrices, slow, for comparison.
 * 'auto': 'ragged' on the host and 'capacity' elsewhere.
 */
export type DispatchMethod = 'auto' | 'ragged' | 'capacity' | 'oneHot';

/** The names of the methods. */
export const DISPATCH_METHODS: readonly DispatchMethod[] = ['auto', 'ragged', 'capacity', 'oneHot'];

/** Applies an expert to rows [n, features], giving [n, units]; `isReal`, bool [n], where not all of them are a token's. */
export type ApplyExpert = (expert: tfl.layers.Layer, rows: tf.Tensor2D, isReal?: tf.Tensor1D) => tf.Tensor2D;

/** Sees each expert's outputs, and how many of their rows are a token's where not all are. */
export type ObserveOutputs = (outputs: tf.Tensor2D[], counts?: tf.Tensor1D) => void;

/**
 * The sum over a token's choices of weight times the chosen expert's output.
 *
 * @param tokens float32 [T, D].
 * @param routing The weights of the choices.
 * @param assignment Which of them have a place.
 * @param experts One for each expert of the assignment.
 * @param units U, the width of the experts' outputs.
 * @returns float32 [T, U].
 */
export function sumOfChosen(
  tokens: tf.Tensor2D,
  {weights, expertGradientWeights}: Routing,
  assignment: Assignment,
  experts: readonly tfl.layers.Layer[],
  units: number,
  method: DispatchMethod,
  apply: ApplyExpert,
  observe?: ObserveOutputs,
): tf.Tensor2D {
  if (method === 'ragged' || (method === 'auto' && isOnHost())) {
    const plan = planRows(assignment);
    const outputs = outputsOfRows(dispatchRows(tokens, plan), plan.groupSizes, experts, units, apply);
    observe?.(noGradientSplit(outputs, plan.groupSizes));
    return combineRows(outputs, weights, plan, expertGradientWeights);
  }
  const [dispatch, combine] =
    method === 'oneHot' ? [dispatchByOneHot, combineByOneHot] : [dispatchToBuffers, combineFromBuffers];
  const outputs = outputsOfBuffers(dispatch(tokens, assignment), assignment, experts, units, apply);
  if (observe) {
    const indices = assignment.experts;
    const counts = noGradient(() => tf.sum<tf.Tensor1D>(kHot(indices, assignment.numExperts), 0));
    observe(tf.unstack(noGradient(() => tf.clone(outputs))) as tf.Tensor2D[], counts);
  }
  return combine(outputs, weights, assignment, expertGradientWeights);
}

/** The rows of each expert, off the tape. */
function noGradientSplit(outputs: tf.Tensor2D, groupSizes: readonly number[]): tf.Tensor2D[] {
  let start = 0;
  return groupSizes.map(size => {
    start += size;
    return noGradient(() => tf.slice(outputs, [start - size, 0], [size, -1]));
  });
}

/** The outputs of all experts, each on its own group of rows. */
function outputsOfRows(
  rows: tf.Tensor2D,
  groupSizes: readonly number[],
  experts: readonly tfl.layers.Layer[],
  units: number,
  apply: ApplyExpert,
): tf.Tensor2D {
  if (areBuiltIn(experts)) return stackOutputs(experts, rows, groupSizes);
  let start = 0;
  const outputs: tf.Tensor2D[] = [];
  const idle: tfl.layers.Layer[] = [];
  groupSizes.forEach((size, e) => {
    if (size === 0) idle.push(experts[e]!);
    else outputs.push(apply(experts[e]!, tf.slice(rows, [start, 0], [size, -1])));
    start += size;
  });
  const all = outputs.length === 0 ? tf.zeros<tf.Rank.R2>([0, units]) : tf.concat2d(outputs, 0);
  return withZeroGradients(all, idle);
}

/** The outputs of all experts, each on its own buffer; zeros in free places. */
function outputsOfBuffers(
  buffers: tf.Tensor3D,
  {numExperts, capacity, experts: expertOf}: Assignment,
  experts: readonly tfl.layers.Layer[],
  units: number,
  apply: ApplyExpert,
): tf.Tensor3D {
  if (capacity === 0) return withZeroGradients(tf.zeros<tf.Rank.R3>([numExperts, 0, units]), experts);
  const counts = noGradient(() => tf.sum<tf.Tensor1D>(kHot(expertOf, numExperts), 0));
  // Places are taken from 0 on without gaps.
  const isTaken = noGradient(() => tf.less(tf.range(0, capacity), tf.expandDims(counts, 1))); // [E, C]
  const zeroed = (all: tf.Tensor3D) =>
    tf.where(tf.tile(tf.expandDims(isTaken, 2), [1, 1, units]), all, tf.zerosLike(all));
  if (areBuiltIn(experts)) return zeroed(batchOutputs(experts, buffers)); // finite wherever they are
  const rows = withTokensInFreePlaces(buffers, counts, isTaken);
  const parts = numExperts === 1 ? [rows] : tf.split(rows, numExperts, 0);
  const taken = numExperts === 1 ? [isTaken] : tf.split(isTaken, numExperts, 0);
  const outputs = parts.map((part, e) =>
    apply(experts[e]!, tf.squeeze(part, [0]), tf.squeeze<tf.Tensor1D>(taken[e]!, [0])),
  );
  return zeroed(tf.stack(outputs) as tf.Tensor3D);
}

/**
 * A token in each free place: the expert's first one, or for an expert without tokens the first of the busiest expert. With a row of zeros
 * an expert such as a logarithm has an infinite derivative, and its product with the gradient of zeros is NaN in the expert's weights.
 */
function withTokensInFreePlaces(buffers: tf.Tensor3D, counts: tf.Tensor1D, isTaken: tf.Tensor): tf.Tensor3D {
  const shape = buffers.shape;
  const filling = noGradient(() => {
    const first = tf.squeeze<tf.Tensor2D>(tf.slice(buffers, [0, 0, 0], [-1, 1, -1]), [1]); // [E, D]
    const ofBusiest = tf.gather(first, tf.reshape(tf.argMax(counts), [1]));
    const hasTokens = tf.tile(tf.greater(tf.expandDims(counts, 1), 0), [1, shape[2]]);
    const ofExpert = tf.where(hasTokens, first, tf.tile(ofBusiest, [shape[0], 1]));
    return tf.tile(tf.expandDims(ofExpert, 1), [1, shape[1], 1]);
  });
  return tf.where(tf.tile(tf.expandDims(isTaken, 2), [1, 1, shape[2]]), buffers, filling as tf.Tensor3D);
}

function areBuiltIn(experts: readonly tfl.layers.Layer[]): experts is readonly FeedForwardExpert[] {
  return experts.every(expert => expert instanceof FeedForwardExpert);
}

/** x, which sends a gradient of zeros to the weights of layers that it does not depend on: without one an optimizer may refuse them. */
function withZeroGradients<T extends tf.Tensor>(x: T, layers: readonly tfl.layers.Layer[]): T {
  const variables = layers.flatMap(layer => layer.trainableWeights.map(weight => weight.read()));
  if (variables.length === 0) return x;
  const shapes = variables.map(variable => variable.shape);
  const attach = tf.customGrad((value, ..._rest) => ({
    value: tf.clone(value as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => [tf.clone(dy), ...shapes.map(shape => tf.zeros(shape))],
  }));
  return attach(x, ...variables) as T;
}
