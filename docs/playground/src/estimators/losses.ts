// The losses of the lab, each a function on the whole simplex: [points, 3] to [points].
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** What a loss is made of: x is the point, v the three values that the reader sets, c a centre. */
export interface LossParameters {
  /** float32 [3]. */
  values: tf.Tensor;
  centre: number;
}

/** A row of the menu. */
export interface LossEntry {
  title: string;
  formula: string;
  /** Whether the formula has a c. */
  hasCentre: boolean;
  /** x: [points, 3]. */
  evaluate(x: tf.Tensor, parameters: LossParameters): tf.Tensor1D;
}

/** sum_i v_i h(x_i). */
function sumOver(h: (x: tf.Tensor, centre: number) => tf.Tensor): LossEntry['evaluate'] {
  return (x, {values, centre}) => tf.sum(tf.mul(values, h(x, centre)), -1);
}

/** |x - c|^p; 0.45 is the centre in the polynomial task of the ReinMax paper. */
function power(p: number): LossEntry['evaluate'] {
  return sumOver((x, c) => tf.pow(tf.abs(tf.sub(x, c)), p));
}

/** Every loss by its name in the menu. */
export const LOSSES = {
  linear: {title: 'Linear', formula: 'Σ vᵢ xᵢ', hasCentre: false, evaluate: sumOver(x => x)},
  quadratic: {
    title: 'Quadratic',
    formula: 'Σ vᵢ (xᵢ − c)²',
    hasCentre: true,
    evaluate: sumOver((x, c) => tf.square(tf.sub(x, c))),
  },
  cubic: {title: 'Power 3', formula: 'Σ vᵢ |xᵢ − c|³', hasCentre: true, evaluate: power(3)},
  sharp: {title: 'Power 1.5', formula: 'Σ vᵢ |xᵢ − c|¹·⁵', hasCentre: true, evaluate: power(1.5)},
  kink: {
    title: 'Kink (not smooth)',
    formula: 'Σ vᵢ |xᵢ − c|',
    hasCentre: true,
    evaluate: sumOver((x, c) => tf.abs(tf.sub(x, c))),
  },
  wave: {
    title: 'Wave',
    formula: 'Σ vᵢ sin(2.5π xᵢ)',
    hasCentre: false,
    evaluate: sumOver(x => tf.sin(tf.mul(2.5 * Math.PI, x))),
  },
  step: {
    title: 'Step (no slope)',
    formula: 'Σ vᵢ [xᵢ > ½]',
    hasCentre: false,
    evaluate: sumOver(x => tf.step(tf.sub(x, 0.5))),
  },
} satisfies Record<string, LossEntry>;

/** A name of the menu. */
export type LossName = keyof typeof LOSSES;
