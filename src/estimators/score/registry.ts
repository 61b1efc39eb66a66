// Every score-function estimator, once. The contract test and the programs read this table.
// SPDX-License-Identifier: Apache-2.0
import {show, ValueError} from '../../errors.js';
import {ARMS_SUPPORT, arms} from './arms.js';
import {DISARM_SUPPORT, disarm} from './disarm.js';
import {createDoubleCVState, doubleCV} from './double-cv.js';
import {FOUST_SUPPORT, foust} from './foust.js';
import {LEAVE_ONE_OUT_SUPPORT, leaveOneOut} from './leave-one-out.js';
import {createReinforceState, REINFORCE_SUPPORT, reinforce} from './reinforce.js';
import {relax} from './relax.js';
import {createRelaxState} from './relax-state.js';
import type {ScoreSupport} from './resolve-score-options.js';
import {rodeo} from './rodeo.js';
import {createRodeoState} from './rodeo-state.js';
import type {ScoreEstimate, ScoreEstimator, ScoreOptions, ScoreState} from './types.js';

/** What it takes to make a state without knowing whose it is. */
export interface ScoreStateOptions {
  /** How many logits an example has: the product of their shape without the batch. */
  latentSize: number;
  /** How many values of `context` an example has. Default 0: there is no context. */
  contextSize?: number;
  /** Of the first weights of what is learned. Default: different each time. */
  seed?: number;
}

/** A row of the registry: `ScoreSupport` says what the estimator can work with. */
export interface ScoreEntry extends ScoreSupport {
  /** The function. */
  estimate: ScoreEstimator;
  /** Its name in prose. */
  title: string;
  /** The paper. */
  reference: string;
  /** Whether the mean of the estimates is the gradient. */
  isUnbiased: boolean;
  /** Whether the objective must be differentiable with respect to the sample. */
  usesGradient: boolean;
  /** How many times the objective is evaluated at a relaxed sample, beside once a hard draw. */
  numRelaxed: number;
  /** Makes a state with the defaults, where the estimator can keep one. */
  createState?(options: ScoreStateOptions): ScoreState;
}

/** Every score-function estimator by its identifier, which is the function's name. */
export const SCORE_ESTIMATORS = {
  reinforce: {
    estimate: reinforce,
    title: 'REINFORCE',
    reference: 'https://doi.org/10.1007/BF00992696',
    ...REINFORCE_SUPPORT,
    isUnbiased: true,
    usesGradient: false,
    numRelaxed: 0,
    createState: () => createReinforceState(),
  },
  leaveOneOut: {
    estimate: leaveOneOut,
    title: 'REINFORCE, leave-one-out',
    reference: 'https://openreview.net/forum?id=r1lgTGL5DE',
    ...LEAVE_ONE_OUT_SUPPORT,
    isUnbiased: true,
    usesGradient: false,
    numRelaxed: 0,
  },
  disarm: {
    estimate: disarm,
    title: 'DisARM',
    reference: 'https://arxiv.org/abs/2006.10680',
    ...DISARM_SUPPORT,
    isUnbiased: true,
    usesGradient: false,
    numRelaxed: 0,
  },
  arms: {
    estimate: arms,
    title: 'ARMS',
    reference: 'https://arxiv.org/abs/2105.14141',
    ...ARMS_SUPPORT,
    isUnbiased: true,
    usesGradient: false,
    numRelaxed: 0,
  },
  foust: {
    estimate: foust,
    title: 'FouST (uniform-scaling step)',
    reference: 'https://proceedings.mlr.press/v119/pervez20a.html',
    ...FOUST_SUPPORT,
    isUnbiased: false,
    usesGradient: true,
    numRelaxed: 1,
  },
  relax: {
    estimate: relax,
    title: 'RELAX',
    reference: 'https://arxiv.org/abs/1711.00123',
    distributions: ['categorical', 'binary'],
    numSamples: {minimum: 1, fixed: true},
    isUnbiased: true,
    usesGradient: true,
    numRelaxed: 2,
    createState: options => createRelaxState(options),
  },
  doubleCV: {
    estimate: doubleCV,
    title: 'Double CV',
    reference: 'https://arxiv.org/abs/2111.05300',
    distributions: ['binary'],
    numSamples: {minimum: 2},
    isUnbiased: true,
    usesGradient: true,
    numRelaxed: 0,
    createState: () => createDoubleCVState(),
  },
  rodeo: {
    estimate: rodeo,
    title: 'RODEO',
    reference: 'https://arxiv.org/abs/2202.09497',
    distributions: ['binary'],
    numSamples: {minimum: 2},
    isUnbiased: true,
    usesGradient: true,
    numRelaxed: 0,
    createState: ({seed}) => createRodeoState({seed}),
  },
} satisfies Record<string, ScoreEntry>;

/** An identifier of `SCORE_ESTIMATORS`. */
export type ScoreEstimatorName = keyof typeof SCORE_ESTIMATORS;

/** Short names. */
export const SCORE_ESTIMATOR_ALIASES = {
  rloo: 'leaveOneOut',
} as const satisfies Record<string, ScoreEstimatorName>;

/** A short name of `SCORE_ESTIMATOR_ALIASES`. */
export type ScoreEstimatorAlias = keyof typeof SCORE_ESTIMATOR_ALIASES;

/** An estimator's name with options bound to it; what is called later may still override them. */
export type ScoreEstimatorConfig = {
  /** Identifier or alias. */
  name: ScoreEstimatorName | ScoreEstimatorAlias;
} & ScoreOptions;

/** All the ways to name an estimator: an identifier, an alias, a name with options, or a function of one's own. */
export type ScoreEstimatorIdentifier = ScoreEstimatorName | ScoreEstimatorAlias | ScoreEstimatorConfig | ScoreEstimator;

const OPTIONS: Record<keyof ScoreOptions, true> = {
  context: true,
  distribution: true,
  numSamples: true,
  random: true,
  state: true,
};

/**
 * Finds a score-function estimator.
 *
 * @param identifier An identifier or alias, `{name, ...options}`, or a function, which is returned as it is. Case, hyphens and
 *   underscores of a name do not matter.
 * @returns The function, with the options bound.
 * @throws ValueError for a name or an option that is not known.
 */
export function getScoreEstimator(identifier: ScoreEstimatorIdentifier): ScoreEstimator {
  if (typeof identifier === 'function') return identifier;
  if (typeof identifier === 'string') return SCORE_ESTIMATORS[resolveScoreEstimatorName(identifier)].estimate;
  const {name, ...bound} = identifier ?? {};
  const {estimate} = SCORE_ESTIMATORS[resolveScoreEstimatorName(name)];
  for (const option of Object.keys(bound)) {
    if (!Object.hasOwn(OPTIONS, option)) {
      throw new ValueError(
        `getScoreEstimator: unknown option ${show(option)}. Expected some of: ${Object.keys(OPTIONS).join(', ')}.`,
      );
    }
  }
  return (objective, logits, options): ScoreEstimate => estimate(objective, logits, {...bound, ...options});
}

/** The identifier that a name or alias stands for. */
export function resolveScoreEstimatorName(name: string): ScoreEstimatorName {
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '');
  const wanted = typeof name === 'string' ? plain(name) : undefined;
  for (const [alias, target] of Object.entries(SCORE_ESTIMATOR_ALIASES)) {
    if (alias === wanted) return target;
  }
  const found = (Object.keys(SCORE_ESTIMATORS) as ScoreEstimatorName[]).find(known => plain(known) === wanted);
  if (found === undefined) {
    throw new ValueError(
      `getScoreEstimator: unknown name ${show(name)}. Expected one of: ${Object.keys(SCORE_ESTIMATORS).sort().join(', ')} ` +
        `(or ${Object.keys(SCORE_ESTIMATOR_ALIASES).join(', ')}).`,
    );
  }
  return found;
}
