// What can be set in the lab of experts, and what each choice is called.
// SPDX-License-Identifier: Apache-2.0
import {ESTIMATORS, type EstimatorIdentifier, type EstimatorName, ROUTERS, type RouterName} from 'tfjs-moe';
import type {DataSetName} from './data-sets.js';

/** The routers of `ROUTERS` that the lab offers: they choose by their logits, which is what its picture shows. */
export const LAB_ROUTERS = ['switch', 'topK', 'noisyTopK', 'expertChoice', 'sinkhorn', 'sparseMixerV2'] as const;

/** What chooses the experts of a point: an estimator of the choice's gradient, or a router of a sparse mixture. */
export type ChooserName = EstimatorName | (typeof LAB_ROUTERS)[number];

/** What needs a new model when it changes. */
export interface ModelSettings {
  dataSet: DataSetName;
  /** Of the data; see `SampleOptions`. */
  noise: number;
  /** 1 to 8: as many as there are colours. */
  numExperts: number;
  /** Width of an expert's hidden layer; 0 for a linear expert. */
  hiddenUnits: number;
  /** Width of a layer before router and experts; 0 for none: they then see the point's coordinates. */
  trunkUnits: number;
  chooser: ChooserName;
  /** Which experts are evaluated in training; routers are 'sparse' whatever stands here. */
  compute: 'dense' | 'sparse';
  /** Of data, initial weights and all draws. */
  seed: number;
}

/** What takes effect at the next step. */
export interface LiveSettings {
  /** Of the estimator, > 0. */
  temperature: number;
  /** What the load-balancing loss counts beside the loss of the task. */
  balanceWeight: number;
  /** Of Adam. */
  learningRate: number;
}

/** All settings. */
export interface ExpertSettings extends ModelSettings, LiveSettings {}

/** What the lab opens with. */
export const DEFAULT_SETTINGS: ExpertSettings = {
  dataSet: 'moons',
  noise: 0.06,
  numExperts: 4,
  hiddenUnits: 0,
  trunkUnits: 0,
  chooser: 'reinmax',
  compute: 'dense',
  seed: 1,
  temperature: 1,
  balanceWeight: 0.1,
  learningRate: 0.05,
};

/** Whether a chooser is an estimator, which both kinds of mixture take; else it is a router of a sparse one. */
export function isEstimator(chooser: ChooserName): chooser is EstimatorName {
  return chooser in ESTIMATORS;
}

/** Which experts are evaluated in training. */
export function computeOf({chooser, compute}: ModelSettings): 'dense' | 'sparse' {
  return isEstimator(chooser) ? compute : 'sparse';
}

/** Its name in prose. */
export function chooserTitle(chooser: ChooserName): string {
  return isEstimator(chooser) ? ESTIMATORS[chooser].title : ROUTERS[chooser].title;
}

/** How many experts a point gets in training. */
export function topKOf({chooser, numExperts}: ModelSettings): number {
  const wanted: Partial<Record<RouterName, number>> = {topK: 2, noisyTopK: 2};
  const topK = isEstimator(chooser) ? 1 : (wanted[chooser] ?? 1);
  return Math.min(topK, numExperts);
}

/** The estimator as the layer takes it: a hundred samples, Gumbel-Rao's default, are more than a page wants to wait for. */
export function estimatorIdentifier(name: EstimatorName): EstimatorIdentifier {
  return name === 'gumbelRao' ? {name, numSamples: 16} : name;
}
