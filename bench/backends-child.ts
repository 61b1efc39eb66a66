// One backend of the comparison: measures on request, so that the others can rest meanwhile.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {seeded} from 'tfjs-moe/estimators';
import {type BackendName, useBackend} from 'tfjs-moe/node';
import {CLASSES, PIXELS} from '../examples/data/mnist.js';
import {createModel} from '../examples/mnist-moe/model.js';

/** What a child is started with, as JSON in its first argument. */
export interface Side {
  backend: BackendName;
  trainingKernels: boolean;
  threads: number;
  /** Steps that are timed as one. */
  calls: number;
  /** Steps before the first that is timed: what they run is compiled by its use. */
  warmUp: number;
}

/** The steps of training that are timed, each of 100 examples by Adam. */
export type Work = 'mnistMoe' | 'dense';

/** What a child answers: once that it is ready, or why it cannot be; then the milliseconds of a step at each request. */
export type Answer = {ready: true} | {leftOut: string} | {milliseconds: Record<Work, number>};

const BATCH = 100;
const answer = (message: Answer) => process.send!(message);

/** The network of mnist-moe at its defaults. */
function mixture(): tfl.LayersModel {
  const settings = {estimator: 'reinmax', temperature: 1, experts: 8, balanceWeight: 0.1, hiddenUnits: 256, seed: 0};
  return createModel(settings as Parameters<typeof createModel>[0]).model;
}

/** 784-512-256-10. */
function dense(): tfl.LayersModel {
  const layers = [512, 256, CLASSES].map((units, i) =>
    tfl.layers.dense({
      units,
      activation: units === CLASSES ? 'linear' : 'relu',
      kernelInitializer: tfl.initializers.glorotUniform({seed: 1 + i}),
      ...(i === 0 ? {inputShape: [PIXELS]} : {}),
    }),
  );
  return tfl.sequential({layers});
}

/** A step of training, which ends when its loss is there: on a device the work goes on after the call. */
function stepOf(model: tfl.LayersModel): () => Promise<void> {
  const uniforms = seeded(1);
  const x = tf.tensor2d(Float32Array.from(uniforms.uniform(BATCH * PIXELS)), [BATCH, PIXELS]);
  const digits = Int32Array.from(uniforms.uniform(BATCH), u => Math.floor(CLASSES * u));
  const labels = tf.tensor2d(
    Float32Array.from({length: BATCH * CLASSES}, (_, i) => Number(digits[Math.floor(i / CLASSES)] === i % CLASSES)),
    [BATCH, CLASSES],
  );
  const optimizer = tf.train.adam(0.001, 0.9, 0.999, 1e-7);
  return async () => {
    const loss = tf.tidy(
      () =>
        optimizer.minimize(() => {
          const logits = model.apply(x, {training: true}) as tf.Tensor2D;
          const task: tf.Scalar = tf.losses.softmaxCrossEntropy(labels, logits);
          return tf.addN([task, ...model.calculateLosses()]) as tf.Scalar;
        }, true)!,
    );
    const [value] = await loss.data();
    loss.dispose();
    if (!Number.isFinite(value)) throw new Error(`backends: the loss became ${value}.`);
  };
}

/** Milliseconds of a step. */
async function time(step: () => Promise<void>, calls: number): Promise<number> {
  const start = performance.now();
  for (let call = 0; call < calls; ++call) await step();
  return (performance.now() - start) / calls;
}

tf.enableProdMode(); // keeps tfjs from advertising its native backend when cpu starts
const {backend, trainingKernels, threads, calls, warmUp}: Side = JSON.parse(process.argv[2]!);
try {
  await useBackend(backend, {trainingKernels, threads});
} catch (error) {
  answer({leftOut: (error as Error).message});
  process.exit();
}
const steps: Record<Work, () => Promise<void>> = {mnistMoe: stepOf(mixture()), dense: stepOf(dense())};
for (const step of Object.values(steps)) await time(step, warmUp);
process.on('message', async () => {
  const mnistMoe = await time(steps.mnistMoe, calls);
  answer({milliseconds: {mnistMoe, dense: await time(steps.dense, calls)}});
});
answer({ready: true});
