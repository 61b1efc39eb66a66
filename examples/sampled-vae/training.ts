// The loop: updates over shuffled images, binarised anew at each visit unless they are binary, in a state that can be saved after any of them and taken up again.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {PIXELS} from '../data/image-files.js';
import type {Images} from '../data/images.js';
import {pixelRows} from '../data/pixel-rows.js';
import type {Interrupt} from '../shared/interrupt.js';
import {permutation} from '../shared/permutation.js';
import type {Progress} from '../shared/progress.js';
import {reopenLastLine} from '../shared/run-length.js';
import {trainableVariables} from '../shared/run-tensors.js';
import {evaluate} from './evaluate.js';
import {negativeElbo} from './model.js';
import type {Run} from './run-state.js';
import type {Settings} from './settings.js';

/** The first word of the ids of random streams; the second counts within. model.ts has 0. */
const SHUFFLE = 1;
const PIXEL = 2;
const NOISE = 3;

/** Updates in which each image comes once; those that fill no batch at the end of the order are left out until the next one. */
export function updatesPerEpoch({batchSize}: Settings, {train}: Images): number {
  return Math.floor(train.count / batchSize);
}

/**
 * Trains until the updates are done or a signal has come.
 *
 * @param onReport Is called after each line of the history, and so at the end.
 */
export async function train(
  run: Run,
  data: Images,
  progress: Progress,
  interrupt: Interrupt,
  onReport: () => Promise<void>,
): Promise<void> {
  const {settings, vae, method, state} = run;
  const {updates, batchSize, reportEvery, seed} = settings;
  const perEpoch = updatesPerEpoch(settings, data);
  const variables = {
    encoder: trainableVariables(vae.encoder),
    decoder: trainableVariables(vae.decoder),
    control: method.variables.filter(({trainable}) => trainable),
  };
  if (state.step < updates) reopenLastLine(state.history, reportEvery);
  const report = async () => {
    await closeLine(run, data);
    progress.line(describeLine(run));
    await onReport();
  };
  let order: Uint32Array | undefined;
  while (state.step < updates) {
    // A turn of the event loop, in which signals arrive.
    await setImmediate();
    if (interrupt.exitCode !== undefined) return;
    const clock = performance.now();
    const [epoch, position] = [Math.floor(state.step / perEpoch), state.step % perEpoch];
    // The order, the pixels and the noise depend on the seed and the step only, so that a run taken up in the middle has the same.
    if (position === 0) order = undefined;
    order ??= permutation(data.train.count, seeded(seed).split(SHUFFLE, epoch));
    const rows = order.subarray(position * batchSize, (position + 1) * batchSize);
    const pixels = pixelRows(data.train.images, rows, {
      isBinary: data.isBinary,
      random: seeded(seed).split(PIXEL, state.step),
    });
    await update(run, variables, pixels);
    ++state.step;
    state.seconds += (performance.now() - clock) / 1000;
    progress.update(state.step, {
      update: `${state.step.toLocaleString('en-US')}`,
      train: (state.sums.value / state.sums.updates).toFixed(2),
      valid: state.history.at(-1)?.validNegativeElbo.toFixed(2) ?? '-',
    });
    if (state.step % reportEvery === 0) await report();
  }
  if (state.history.at(-1)?.step !== state.step) await report();
}

/** The parameters of which a gradient is taken. */
interface Variables {
  encoder: tf.Variable[];
  decoder: tf.Variable[];
  control: readonly tf.Variable[];
}

async function update(run: Run, {encoder, decoder, control}: Variables, pixels: Float32Array): Promise<void> {
  const {design, settings, vae, method, optimizer, controlOptimizer, variance, state} = run;
  const random = seeded(settings.seed).split(NOISE, state.step);
  const mean = tf.tidy(() => {
    const x = tf.tensor2d(pixels, [settings.batchSize, PIXELS]);
    let kept: tf.Scalar | undefined;
    const {grads} = tf.variableGrads(() => {
      const logits = vae.encoder.apply(x, {training: true}) as tf.Tensor2D;
      const {minimised, value} = method.estimate(negativeElbo(vae, x, logits), logits, x, random);
      kept = tf.keep(tf.mean<tf.Scalar>(value));
      return minimised;
    }, [...encoder, ...decoder, ...control]);
    const gradientsOf = (variables: readonly tf.Variable[]) =>
      variables.map(({name}) => ({name, tensor: grads[name]!}));
    variance.update(gradientsOf(encoder).map(({tensor}) => tensor));
    optimizer.applyGradients(gradientsOf([...encoder, ...decoder]));
    controlOptimizer?.applyGradients(gradientsOf(control));
    return kept!;
  });
  const [value] = (await mean.data()) as unknown as [number];
  mean.dispose();
  if (!Number.isFinite(value)) {
    throw new ValueError(
      `${design.program}: the loss became ${value} at update ${state.step + 1}. Try a smaller --learning-rate.`,
    );
  }
  state.sums.value += value;
  ++state.sums.updates;
}

async function closeLine({settings, vae, variance, state}: Run, {valid, isBinary}: Images): Promise<void> {
  const {value, updates} = state.sums;
  state.history.push({
    step: state.step,
    updates,
    trainNegativeElbo: value / updates,
    gradientVariance: await variance.read(state.step),
    validNegativeElbo: (await evaluate(vae, valid, {isBinary, numSamples: 1})).negativeElbo,
    seconds: state.seconds,
  });
  // The sums of a line that is cut short stay: a run that goes on beyond its end adds to them.
  if (state.step % settings.reportEvery === 0) state.sums = {value: 0, updates: 0};
}

function describeLine({settings, state}: Run): string {
  const {step, trainNegativeElbo, gradientVariance, validNegativeElbo, seconds} = state.history.at(-1)!;
  return (
    `update ${step.toLocaleString('en-US')}/${settings.updates.toLocaleString('en-US')}: ` +
    `train -ELBO ${trainNegativeElbo.toFixed(2)} nats, valid ${validNegativeElbo.toFixed(2)}, ` +
    `gradient variance ${gradientVariance.toExponential(2)}, ${seconds.toFixed(1)} s`
  );
}
