// How well a network reads held-out digits, and which expert reads which.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {CLASSES, type DigitSet, PIXELS} from '../data/mnist.js';
import {formatTable} from '../shared/table.js';
import {type DigitModel, toInput} from './model.js';

/** What evaluation found. */
export interface Evaluation {
  /** Share of the digits read right, 0 to 1. */
  accuracy: number;
  correct: number;
  count: number;
  /** Mean cross entropy in nats. */
  loss: number;
  /** [digit][expert]: how many of the digits went to the expert. */
  assignments: number[][];
}

const BATCH = 500;

/** Runs the network in inference over a set of digits. */
export async function evaluate({model, moe, trunk}: DigitModel, digits: DigitSet): Promise<Evaluation> {
  let correct = 0;
  let lossSum = 0;
  const assignments = Array.from({length: CLASSES}, () => new Array<number>(moe.router.numExperts).fill(0));
  for (let begin = 0; begin < digits.count; begin += BATCH) {
    const labels = digits.labels.subarray(begin, Math.min(begin + BATCH, digits.count));
    const images = digits.images.subarray(begin * PIXELS, (begin + labels.length) * PIXELS);
    const [logProbs, experts] = tf.tidy(() => {
      const input = toInput(images, labels.length);
      const choice = moe.router.apply(trunk.predict(input) as tf.Tensor) as tf.Tensor2D;
      return [tf.logSoftmax(model.predict(input) as tf.Tensor2D), tf.argMax(choice, 1)];
    });
    const [scores, chosen] = await Promise.all([logProbs.data(), experts.data()]);
    tf.dispose([logProbs, experts]);
    labels.forEach((label, i) => {
      const row = scores.subarray(i * CLASSES, (i + 1) * CLASSES) as Float32Array;
      lossSum -= row[label]!;
      if (row.indexOf(Math.max(...row)) === label) ++correct;
      ++assignments[label]![chosen[i]!]!;
    });
  }
  return {accuracy: correct / digits.count, correct, count: digits.count, loss: lossSum / digits.count, assignments};
}

/** The accuracy in words; training and --evaluate print the same line. */
export function describeAccuracy({accuracy, correct, count}: Evaluation): string {
  const number = (value: number) => value.toLocaleString('en-US');
  return `test accuracy ${(100 * accuracy).toFixed(2)} % (${number(correct)} of ${number(count)} held-out digits)`;
}

/** Which expert takes which digit, as a text table: the share in percent of each digit's images. */
export function describeExperts({assignments}: Evaluation): string {
  const numExperts = assignments[0]!.length;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const percent = (part: number, whole: number) => (part === 0 ? '.' : ((100 * part) / whole).toFixed(0));
  const shares = (counts: readonly number[]) => counts.map(count => percent(count, sum(counts)));
  const rows = assignments.map((counts, digit) => [`digit ${digit}`, ...shares(counts), String(sum(counts))]);
  const totals = Array.from({length: numExperts}, (_, expert) => sum(assignments.map(counts => counts[expert]!)));
  const headings = ['% to expert', ...totals.map((_, expert) => String(expert)), 'digits'];
  return formatTable(headings, [...rows, ['all', ...shares(totals), String(sum(totals))]]);
}
