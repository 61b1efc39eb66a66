// The control variate of RELAX where the objective is a table, which says nothing about relaxed cells: a surrogate fitted to what each seed
// has looked up before. RELAX is unbiased whatever the control variate is, as long as it does not know the draw.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {NUM_EDGES, NUM_OPERATIONS} from './problem.js';
import {zeroQuadratic} from './quadratic.js';
import {type QuadraticTensors, toTensors} from './quadratic-tensors.js';
import {CellRegression} from './regression.js';
import {VARIANCES} from './surrogate-search.js';

/** The surrogates of all seeds. */
export interface ControlVariate {
  /** The predicted losses: of [seeds, 6, 5], hard or relaxed, in the unit of the objective; 0 before anything is learned. */
  valuesAt(cells: tf.Tensor): tf.Tensor1D;
  /**
   * Takes a cell more of each seed.
   *
   * @param cells [seeds * evaluations] What each seed has looked up.
   * @param count How much of it there is.
   */
  learn(cells: Uint16Array, signal: Float64Array, count: number): void;
  dispose(): void;
}

/** Evaluations between two fits. */
const INTERVAL = 10;

/** Surrogates that know nothing yet. */
export function createControlVariate(seeds: number, evaluations: number): ControlVariate {
  const regressions = Array.from({length: seeds}, () => new CellRegression(evaluations, VARIANCES));
  let tensors: QuadraticTensors = toTensors(regressions.map(zeroQuadratic));
  return {
    valuesAt: cells =>
      tf.tidy(() => tf.reshape(tensors.valuesAt(tf.reshape(cells, [seeds, 1, NUM_EDGES, NUM_OPERATIONS])), [seeds])),
    learn(cells, signal, count) {
      const ofSeed = (i: number) => cells.subarray(i * evaluations, i * evaluations + count);
      for (const [i, regression] of regressions.entries()) regression.add(ofSeed(i).at(-1)!);
      if (count % INTERVAL !== 0) return;
      tensors.dispose();
      tensors = toTensors(regressions.map((regression, i) => fitted(regression, ofSeed(i), signal)));
    },
    dispose: () => tensors.dispose(),
  };
}

/** The regression of the losses relative to the first, standardised for the fit. */
function fitted(regression: CellRegression, cells: Uint16Array, signal: Float64Array) {
  const losses = Float64Array.from(cells, cell => (signal[cells[0]!]! - signal[cell]!) / 100);
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  const deviation = Math.sqrt(losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / losses.length);
  const scale = deviation === 0 ? 1 : deviation;
  const {intercept, linear, pairs} = regression.mean(losses.map(loss => (loss - mean) / scale));
  return {
    intercept: mean + scale * intercept,
    linear: linear.map(weight => scale * weight),
    pairs: pairs.map(weight => scale * weight),
  };
}
