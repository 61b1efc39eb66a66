// One problem, and the estimates that each method has made of its gradient so far.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {type RandomSource, seeded} from 'tfjs-moe/estimators';
import {LOSSES, type LossName} from './losses.js';
import type {Method} from './methods.js';
import {Moments, type Vector} from './moments.js';

/** What is estimated, and how; another problem is another experiment. */
export interface Problem {
  loss: LossName;
  values: Vector;
  centre: number;
  logits: Vector;
  temperature: number;
  /** Of Gumbel-Rao. */
  numSamples: number;
  seed: number;
}

/** Draws in one call of an estimator: enough that the calls' fixed cost is small, few enough to fit in a frame. */
const BATCH = 128;
/** How many single estimates the pictures show. */
const SHOWN = 192;

/** What a method has drawn. */
export interface Series {
  moments: Moments;
  /** The last draws, [at most SHOWN, 3], in no order that matters. */
  samples: number[];
  /** The gradients of the same draws. */
  gradients: number[];
  /** How often each corner was nearest. */
  counts: [number, number, number];
  random: RandomSource;
}

/** Holds two tensors from the constructor to `dispose`. Needs the cpu backend. */
export class Experiment {
  readonly problem: Problem;
  readonly probs: Vector;
  /** At the corners. */
  readonly cornerLosses: Vector;
  readonly expectedLoss: number;
  /** d E f / d logits. */
  readonly exact: Vector;
  readonly #values: tf.Tensor1D;
  readonly #logits: tf.Tensor2D;
  readonly #series = new Map<string, Series>();

  constructor(problem: Problem) {
    this.problem = problem;
    this.#values = tf.tensor1d([...problem.values]);
    this.#logits = tf.tidy(() => tf.tile(tf.tensor2d([[...problem.logits]]), [BATCH, 1]));
    const top = Math.max(...problem.logits);
    const weights = problem.logits.map(logit => Math.exp(logit - top));
    const total = weights.reduce((a, b) => a + b);
    this.probs = weights.map(weight => weight / total) as unknown as Vector;
    this.cornerLosses = Array.from(tf.tidy(() => this.#loss(tf.eye(3)).dataSync())) as unknown as Vector;
    this.expectedLoss = this.probs.reduce((sum, p, i) => sum + p * this.cornerLosses[i]!, 0);
    // By enumeration: d E f / d logit k = p_k (f(e_k) - E f).
    this.exact = this.probs.map((p, k) => p * (this.cornerLosses[k]! - this.expectedLoss)) as unknown as Vector;
  }

  /** What a method has drawn; undefined before its first draw. */
  seriesOf({name}: Method): Series | undefined {
    return this.#series.get(name);
  }

  /** One draw of each method. */
  step(methods: readonly Method[]): void {
    for (const method of methods) this.#draw(method, 1);
  }

  /**
   * Draws with all methods, evenly, until each has `target` or the time is over. Which numbers come out depends on the seed alone:
   * time decides only when.
   *
   * @param budget Milliseconds; each method that lacks draws makes one batch at least.
   * @returns Whether draws are lacking.
   */
  advance(methods: readonly Method[], target: number, budget: number): boolean {
    const end = performance.now() + budget;
    for (;;) {
      const lacking = methods.filter(method => this.#countOf(method) < target);
      if (lacking.length === 0) return false;
      const fewest = Math.min(...lacking.map(method => this.#countOf(method)));
      for (const method of lacking) {
        const count = this.#countOf(method);
        if (count === fewest) this.#draw(method, Math.min(BATCH, target - count));
      }
      if (performance.now() >= end) return true;
    }
  }

  /** The loss at points [n, 3]. */
  lossesAt(points: Float32Array): ArrayLike<number> {
    return tf.tidy(() => this.#loss(tf.tensor2d(points, [points.length / 3, 3])).dataSync());
  }

  dispose(): void {
    this.#values.dispose();
    this.#logits.dispose();
  }

  readonly #loss = (x: tf.Tensor): tf.Tensor1D =>
    LOSSES[this.problem.loss].evaluate(x, {values: this.#values, centre: this.problem.centre});

  #countOf({name}: Method): number {
    return this.#series.get(name)?.moments.count ?? 0;
  }

  #draw(method: Method, count: number): void {
    const {temperature, numSamples, seed} = this.problem;
    let series = this.#series.get(method.name);
    if (series === undefined) {
      // The same seed for all: methods that draw the category alike then draw the same ones.
      series = {moments: new Moments(), samples: [], gradients: [], counts: [0, 0, 0], random: seeded(seed)};
      this.#series.set(method.name, series);
    }
    const {random} = series;
    const {samples, gradients} = tf.tidy(() => {
      const logits = count === BATCH ? this.#logits : tf.slice(this.#logits, 0, count);
      return method.draw(this.#loss, logits, {temperature, numSamples, random});
    });
    const at = series.moments.count;
    series.moments.add(gradients);
    for (let row = 0; row < count; ++row) {
      const place = 3 * ((at + row) % SHOWN);
      let nearest: 0 | 1 | 2 = 0;
      for (const axis of [0, 1, 2] as const) {
        series.samples[place + axis] = samples[3 * row + axis]!;
        series.gradients[place + axis] = gradients[3 * row + axis]!;
        if (samples[3 * row + axis]! > samples[3 * row + nearest]!) nearest = axis;
      }
      ++series.counts[nearest];
    }
  }
}
