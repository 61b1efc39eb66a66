// Forward and backward of each estimator over that of tf.softmax, the least that a differentiable choice must do.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ESTIMATORS, type Estimator, seeded} from 'tfjs-moe/estimators';
import {type BackendName, useBackend} from 'tfjs-moe/node';
import {interleaved, median, medianRatio} from './interleaved.js';

const SHAPES = [
  [1024, 16],
  [100, 30, 10],
];

/** One forward and backward pass of a loss linear in fn(logits). */
function step(fn: (logits: tf.Tensor) => tf.Tensor, logits: tf.Tensor, weights: tf.Tensor): () => void {
  const gradient = tf.grad(x => tf.sum(tf.mul(fn(x), weights)));
  return () =>
    tf.tidy(() => {
      gradient(logits).dataSync();
    });
}

/** How ReinMax is written without a custom gradient: the pseudo-code of its paper, on the tape. */
function tapedReinmax(logits: tf.Tensor): tf.Tensor {
  const stop = (x: tf.Tensor) => tf.customGrad(() => ({value: tf.clone(x), gradFunc: () => []}))();
  const probs = tf.softmax(logits);
  const draw = tf.customGrad(() => ({
    value: tf.cast(
      tf.oneHot(
        tf.argMax(tf.sub(logits, tf.log(tf.neg(tf.log(tf.randomUniform(logits.shape, 1e-7, 1))))), -1),
        logits.shape[logits.rank - 1]!,
      ),
      'float32',
    ),
    gradFunc: () => [],
  }))();
  const shift = stop(tf.sub(tf.log(tf.mul(0.5, tf.add(draw, probs))), logits));
  const surrogate = tf.sub(tf.mul(2, tf.softmax(tf.add(logits, shift))), tf.mul(0.5, probs));
  return tf.add(draw, tf.sub(surrogate, stop(surrogate)));
}

/** The command. */
export async function benchEstimators({
  backend,
  rounds,
  json,
}: {
  backend: BackendName;
  rounds: number;
  json: boolean;
}): Promise<void> {
  await useBackend(backend);
  const largest: Record<string, number> = {};
  for (const shape of SHAPES) {
    const size = tf.util.sizeFromShape(shape);
    const numbers = (seed: number) =>
      tf.tensor(
        Float32Array.from(seeded(seed).uniform(size), u => 4 * u - 2),
        shape,
      );
    const [logits, weights] = [numbers(1), numbers(2)];
    const random = seeded(3);
    const variants: Record<string, () => void> = {softmax: step(x => tf.softmax(x), logits, weights)};
    for (const [name, {estimate}] of Object.entries(ESTIMATORS) as [string, {estimate: Estimator}][]) {
      if (name !== 'gumbelRao') variants[name] = step(x => estimate(x, {random}).sample, logits, weights);
    }
    variants['reinmax at temperature 1.3'] = step(
      x => ESTIMATORS.reinmax.estimate(x, {random, temperature: 1.3}).sample,
      logits,
      weights,
    );
    variants['gumbelRao of 10 samples'] = step(
      x => ESTIMATORS.gumbelRao.estimate(x, {random, numSamples: 10}).sample,
      logits,
      weights,
    );
    variants['reinmax written on the tape'] = step(tapedReinmax, logits, weights);
    const timings = interleaved(variants, rounds, 5);
    console.log(`\nlogits [${shape}] on ${tf.getBackend()}, forward and backward, median of ${rounds} rounds\n`);
    for (const [name, timing] of Object.entries(timings)) {
      console.log(
        `  ${name.padEnd(30)} ${median(timing).toFixed(3).padStart(8)} ms ${medianRatio(timing, timings.softmax!).toFixed(2).padStart(7)} x softmax`,
      );
    }
    const figures = {
      straightThroughOverSoftmax: medianRatio(timings.straightThrough!, timings.softmax!),
      reinmaxOverSoftmax: medianRatio(timings.reinmax!, timings.softmax!),
      reinmaxOverStraightThrough: medianRatio(timings.reinmax!, timings.straightThrough!),
    };
    for (const [name, value] of Object.entries(figures)) largest[name] = Math.max(largest[name] ?? 0, value);
    tf.dispose([logits, weights]);
  }
  if (json)
    console.log(JSON.stringify(Object.fromEntries(Object.entries(largest).map(([k, v]) => [k, Number(v.toFixed(3))]))));
}
