// What decides the numbers of a run of gradient-quality.
// SPDX-License-Identifier: Apache-2.0
import {InvalidArgumentError} from 'commander';
import {
  ESTIMATOR_ALIASES,
  ESTIMATORS,
  type EstimatorAlias,
  type EstimatorName,
  getEstimator,
  SCORE_ESTIMATORS,
  type ScoreEstimatorName,
} from 'tfjs-moe/estimators';
import type {Settings as NetworkSettings} from '../mnist-vae/settings.js';

/** Everything on which the result depends; a run can only be resumed under the same. */
export interface Settings extends NetworkSettings {
  /** What is measured. */
  variants: Variant[];
  /** After how many epochs, ascending; the last is the length of the training. */
  points: number[];
  /** How many training digits are measured on. */
  images: number;
  /** Of each estimator, for each digit. */
  draws: number;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'gradient-quality';

/** An estimator with its temperature; one of the score-function family has none. */
export type Variant =
  | {family: 'pathwise'; name: EstimatorName; temperature: number}
  | {family: 'score'; name: ScoreEstimatorName; temperature: null};

/** The score-function estimators of categorical variables that learn nothing. */
const SCORE_NAMES: readonly ScoreEstimatorName[] = ['reinforce', 'leaveOneOut'];

/** The temperatures of Liu et al. 2023, Table 8, for 8 categories x 4 variables; and 1, where it is another. */
export const DEFAULT_VARIANTS =
  'st:1.3,st:1,gs:0.5,stgs:0.5,stgs:1,gr:0.5,gr:1,gst:0.7,gst:1,reinmax:1.3,reinmax:1,reinforce,leaveOneOut';

/** Reads a variant such as `gst:0.7` or `leaveOneOut`. */
export function readVariant(text: string): Variant {
  const [name, temperature, ...rest] = text.split(':');
  const score = SCORE_NAMES.find(known => known === name);
  if (score && temperature === undefined) return {family: 'score', name: score, temperature: null};
  const value = Number(temperature);
  if (rest.length > 0 || !temperature?.trim() || !(value > 0) || !Number.isFinite(value)) {
    throw new InvalidArgumentError(
      `"${text}" must be a name, a colon and a temperature above 0, such as reinmax:1.3, or one of: ${SCORE_NAMES.join(', ')}.`,
    );
  }
  return {family: 'pathwise', name: readEstimator(name!), temperature: value};
}

/** Reads the identifier or alias of a pathwise estimator. */
export function readEstimator(text: string): EstimatorName {
  const name = ESTIMATOR_ALIASES[text as EstimatorAlias] ?? text;
  if (Object.hasOwn(ESTIMATORS, name)) return name;
  throw new InvalidArgumentError(
    `unknown name "${text}". Expected one of: ${[...Object.keys(ESTIMATORS), ...Object.keys(ESTIMATOR_ALIASES)].join(', ')}.`,
  );
}

/** For tables and legends. */
export function titleOf(variant: Variant): string {
  return variant.family === 'score'
    ? SCORE_ESTIMATORS[variant.name].title
    : `${ESTIMATORS[variant.name].title}, ${variant.temperature}`;
}

/** How the draw of a pathwise estimator's gradient depends on what is drawn. */
export function kindOf({name}: Extract<Variant, {family: 'pathwise'}>): 'code' | 'noise' | 'relaxed' {
  if (!ESTIMATORS[name].hard) return 'relaxed';
  return name === 'straightThroughGumbelSoftmax' || name === 'gumbelRao' ? 'noise' : 'code';
}

/** The function of a pathwise variant. */
export function estimatorOf({name, temperature}: Extract<Variant, {family: 'pathwise'}>) {
  return getEstimator({name, temperature});
}
