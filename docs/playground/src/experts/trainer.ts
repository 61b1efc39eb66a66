// Trains the network of the lab step by step, and says what came of it. Nothing here waits for a device but what returns a promise.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {resetRouterMetrics, routerMetrics, seeded} from 'tfjs-moe';
import {DATA_SETS, type DataSet, type Sample, sampleDataSet} from './data-sets.js';
import {createModel, type ExpertModel, routerProbabilities} from './model.js';
import type {ExpertSettings, LiveSettings} from './settings.js';
import {StepWindow, type WindowFigures} from './step-window.js';

/** Points of a step. */
export const BATCH_SIZE = 128;
/** Points to learn from, and as many again to judge by. */
const NUM_POINTS = 480;
const STREAM = {training: 0, judging: 1, batches: 2};

/** What the last steps came to. */
export interface Report extends Omit<WindowFigures, 'steps'> {
  /** Steps so far. */
  step: number;
  /** How many of them the figures are of. */
  windowSteps: number;
}

/** The plane, row by row from the top, at the middle of each of size x size cells of [-LIMIT, LIMIT] squared. */
export interface Plane {
  size: number;
  /** The expert that is chosen first, -1 for none. */
  experts: Int8Array;
  /** The router's probability of it. */
  probabilities: Float32Array;
  /** Logit of class 1, or value. */
  outputs: Float32Array;
}

/** The picture's edge in both coordinates. */
export const LIMIT = 1.15;

/** One run: its data, its network and its optimizer. */
export class ExpertTrainer {
  /** What the targets are. */
  readonly kind: DataSet['kind'];
  /** What is learned from. */
  readonly training: Sample;
  readonly #judging: Sample;
  readonly #settings: ExpertSettings;
  readonly #network: ExpertModel;
  readonly #optimizer: tf.AdamOptimizer;
  readonly #variables: tf.Variable[];
  readonly #window: StepWindow;
  #step = 0;
  #sums: tf.Tensor1D;
  #reportedStep = 0;

  /** Makes everything from the settings, on the backend in force. */
  constructor(settings: ExpertSettings) {
    const {dataSet, noise, seed, numExperts, learningRate} = settings;
    const sample = (stream: number) => sampleDataSet(dataSet, {count: NUM_POINTS, noise, seed, stream});
    this.#settings = {...settings};
    this.kind = DATA_SETS[dataSet].kind;
    this.training = sample(STREAM.training);
    this.#judging = sample(STREAM.judging);
    this.#network = createModel(settings);
    this.#variables = this.#network.model.trainableWeights.map(weight => weight.read() as tf.Variable);
    this.#optimizer = tf.train.adam(learningRate);
    this.#window = new StepWindow(numExperts);
    this.#sums = tf.zeros([2]);
  }

  /** Steps so far. */
  get step(): number {
    return this.#step;
  }

  /** Changes what takes effect at the next step. */
  adjust({temperature, balanceWeight, learningRate}: LiveSettings): void {
    Object.assign(this.#settings, {temperature, balanceWeight, learningRate});
    this.#network.moe.temperature = temperature;
    // Adam reads the field at each step; the class offers no other way to change it.
    Object.assign(this.#optimizer, {learningRate});
  }

  /** Learns from one batch. */
  train(): void {
    const {model} = this.#network;
    const {balanceWeight, seed} = this.#settings;
    const random = seeded(seed).split(STREAM.batches, this.#step);
    const picked = Array.from(random.uniform(BATCH_SIZE), u => Math.floor(u * NUM_POINTS));
    const sums = tf.tidy(() => {
      const {points, targets} = this.#tensors(this.training, picked);
      let losses: tf.Tensor1D | undefined;
      const {grads} = tf.variableGrads(() => {
        const task = this.#loss(model.apply(points, {training: true}) as tf.Tensor2D, targets);
        const balance = tf.addN(model.calculateLosses()) as tf.Scalar;
        losses = tf.keep(tf.stack([task, balance]) as tf.Tensor1D);
        return tf.add(task, tf.mul(balanceWeight, balance)) as tf.Scalar;
      }, this.#variables);
      this.#optimizer.applyGradients(this.#variables.map(({name}) => ({name, tensor: grads[name]!})));
      const sum = tf.add(this.#sums, losses!) as tf.Tensor1D;
      losses!.dispose();
      return sum;
    });
    this.#sums.dispose();
    this.#sums = tf.keep(sums);
    ++this.#step;
  }

  /** What the last steps came to. No step may be made meanwhile. */
  async report(): Promise<Report> {
    const steps = this.#step - this.#reportedStep;
    if (steps > 0) {
      const [loss, balance] = (await this.#sums.data()) as unknown as [number, number];
      const {moe} = this.#network;
      const metrics = await routerMetrics(moe);
      this.#window.add({steps, loss: loss / steps, balanceLoss: balance / steps, metrics}, this.#step);
      resetRouterMetrics(moe);
      this.#sums.dispose();
      this.#sums = tf.zeros([2]);
      this.#reportedStep = this.#step;
    }
    const {steps: windowSteps, ...figures} = this.#window.summary();
    return {step: this.#step, windowSteps, ...figures};
  }

  /** On points that it did not learn from: the share of right classes, or the share of the values' variance that is explained. */
  async judge(): Promise<number> {
    const {points, targets} = this.#judging;
    const outputs = tf.tidy(() => this.#network.model.apply(tf.tensor2d(points, [NUM_POINTS, 2])) as tf.Tensor2D);
    const values = await outputs.data();
    outputs.dispose();
    if (this.kind === 'values') return explainedVariance(values, targets);
    return targets.reduce((sum, target, i) => sum + Number(values[i]! > 0 === (target === 1)), 0) / NUM_POINTS;
  }

  /** Asks router and experts about size x size points of the plane. */
  async look(size: number): Promise<Plane> {
    const numCells = size * size;
    const {numExperts} = this.#settings;
    const all = tf.tidy(() => {
      const points = tf.tensor2d(gridPoints(size), [numCells, 2]);
      const seen = this.#network.trunk(points);
      const choice = this.#network.moe.router.apply(seen) as tf.Tensor2D;
      const outputs = this.#network.model.apply(points) as tf.Tensor2D;
      return tf.concat([choice, routerProbabilities(this.#network, seen), outputs], 1); // one read
    });
    const values = (await all.data()) as Float32Array;
    all.dispose();
    const width = 2 * numExperts + 1;
    const plane: Plane = {
      size,
      experts: new Int8Array(numCells),
      probabilities: new Float32Array(numCells),
      outputs: new Float32Array(numCells),
    };
    for (let cell = 0; cell < numCells; ++cell) {
      const row = values.subarray(cell * width, (cell + 1) * width);
      const choice = row.subarray(0, numExperts);
      const expert = choice.reduce((best, weight, e) => (weight > (choice[best] ?? 0) ? e : best), -1);
      plane.experts[cell] = expert;
      plane.probabilities[cell] = expert < 0 ? 0 : row[numExperts + expert]!;
      plane.outputs[cell] = row[2 * numExperts]!;
    }
    return plane;
  }

  /** Frees all tensors. */
  dispose(): void {
    this.#network.model.dispose();
    this.#optimizer.dispose();
    this.#sums.dispose();
  }

  #tensors({points, targets}: Sample, picked: number[]): {points: tf.Tensor2D; targets: tf.Tensor2D} {
    const coordinates = Float32Array.from(
      {length: 2 * picked.length},
      (_, i) => points[2 * picked[i >> 1]! + (i & 1)]!,
    );
    return {
      points: tf.tensor2d(coordinates, [picked.length, 2]),
      targets: tf.tensor2d(
        picked.map(i => targets[i]!),
        [picked.length, 1],
      ),
    };
  }

  #loss(outputs: tf.Tensor2D, targets: tf.Tensor2D): tf.Scalar {
    if (this.kind === 'values') return tf.losses.meanSquaredError(targets, outputs);
    return tf.losses.sigmoidCrossEntropy(targets, outputs);
  }
}

/** The middles of the cells, row by row from the top. */
function gridPoints(size: number): Float32Array {
  const at = (i: number) => (2 * (i + 0.5)) / size - 1;
  const points = new Float32Array(2 * size * size);
  for (let cell = 0; cell < size * size; ++cell) {
    points[2 * cell] = LIMIT * at(cell % size);
    points[2 * cell + 1] = -LIMIT * at(Math.floor(cell / size));
  }
  return points;
}

/** 1 less the ratio of squared error to variance; 0 for the mean as a prediction. */
function explainedVariance(values: ArrayLike<number>, targets: Float32Array): number {
  const mean = targets.reduce((sum, target) => sum + target, 0) / targets.length;
  const error = targets.reduce((sum, target, i) => sum + (values[i]! - target) ** 2, 0);
  return 1 - error / targets.reduce((sum, target) => sum + (target - mean) ** 2, 0);
}
