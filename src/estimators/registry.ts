// Every pathwise estimator, once. The contract test, the docs, the command line and the playground read this table.
// SPDX-License-Identifier: Apache-2.0
import {show, ValueError} from '../errors.js';
import {type GappedStraightThroughOptions, gappedStraightThrough} from './gapped-straight-through.js';
import {type GumbelRaoOptions, gumbelRao} from './gumbel-rao.js';
import {gumbelSoftmax, straightThroughGumbelSoftmax} from './gumbel-softmax.js';
import {reinmax} from './reinmax.js';
import {straightThrough} from './straight-through.js';
import type {Estimator} from './types.js';

/** A row of the registry. */
export interface EstimatorEntry {
  /** The function. */
  estimate: Estimator;
  /** Its name in prose. */
  title: string;
  /** The paper. */
  reference: string;
  /** Whether the sample is one-hot. */
  hard: boolean;
  /** Options beyond `temperature` that a layer's configuration may set. */
  ownOptions: readonly string[];
}

/** Every pathwise estimator by its identifier, which is the function's name. */
export const ESTIMATORS = {
  straightThrough: {
    estimate: straightThrough,
    title: 'Straight-through',
    reference: 'https://arxiv.org/abs/1308.3432',
    hard: true,
    ownOptions: [],
  },
  gumbelSoftmax: {
    estimate: gumbelSoftmax,
    title: 'Gumbel-softmax (relaxed)',
    reference: 'https://arxiv.org/abs/1611.01144',
    hard: false,
    ownOptions: [],
  },
  straightThroughGumbelSoftmax: {
    estimate: straightThroughGumbelSoftmax,
    title: 'Straight-through Gumbel-softmax',
    reference: 'https://arxiv.org/abs/1611.01144',
    hard: true,
    ownOptions: [],
  },
  gumbelRao: {
    estimate: gumbelRao,
    title: 'Gumbel-Rao',
    reference: 'https://arxiv.org/abs/2010.04838',
    hard: true,
    ownOptions: ['numSamples'],
  },
  gappedStraightThrough: {
    estimate: gappedStraightThrough,
    title: 'Gapped straight-through',
    reference: 'https://arxiv.org/abs/2206.07235',
    hard: true,
    ownOptions: ['gap'],
  },
  reinmax: {
    estimate: reinmax,
    title: 'ReinMax',
    reference: 'https://arxiv.org/abs/2304.08612',
    hard: true,
    ownOptions: [],
  },
} satisfies Record<string, EstimatorEntry>;

/** An identifier of `ESTIMATORS`. */
export type EstimatorName = keyof typeof ESTIMATORS;

/** Short names. */
export const ESTIMATOR_ALIASES = {
  st: 'straightThrough',
  gs: 'gumbelSoftmax',
  stgs: 'straightThroughGumbelSoftmax',
  gr: 'gumbelRao',
  gst: 'gappedStraightThrough',
} as const satisfies Record<string, EstimatorName>;

/** A short name of `ESTIMATOR_ALIASES`. */
export type EstimatorAlias = keyof typeof ESTIMATOR_ALIASES;

/** An estimator's name with options bound to it; what is called later may still override them. */
export type EstimatorConfig = {
  /** Identifier or alias. */
  name: EstimatorName | EstimatorAlias;
  /** Dimensionless, > 0. */
  temperature?: number;
} & Pick<GumbelRaoOptions, 'numSamples'> &
  Pick<GappedStraightThroughOptions, 'gap'>;

/** All the ways to name an estimator: an identifier, an alias, a name with options, or a function of one's own. */
export type EstimatorIdentifier = EstimatorName | EstimatorAlias | EstimatorConfig | Estimator;

/**
 * Finds an estimator.
 *
 * @param identifier An identifier or alias, `{name, ...options}`, or a function, which is returned as it is. Case, hyphens and
 *   underscores of a name do not matter: saving a tfjs model rewrites strings to snake_case.
 * @returns The function, with the options bound.
 * @throws ValueError for a name or an option that is not known.
 */
export function getEstimator(identifier: EstimatorIdentifier): Estimator {
  if (typeof identifier === 'function') return identifier;
  if (typeof identifier === 'string') return ESTIMATORS[resolveEstimatorName(identifier)].estimate;
  const {name, ...bound} = identifier;
  const resolved = resolveEstimatorName(name);
  const {estimate, ownOptions}: EstimatorEntry = ESTIMATORS[resolved];
  const known = ['temperature', ...ownOptions];
  for (const option of Object.keys(bound)) {
    if (!known.includes(option)) {
      throw new ValueError(
        `getEstimator: ${resolved} has no option ${show(option)}. Expected ${known.length > 1 ? 'some of' : 'none but'}: ${known.join(', ')}.`,
      );
    }
  }
  return (logits, options) => estimate(logits, {...bound, ...options});
}

/** The identifier that a name or alias stands for. */
export function resolveEstimatorName(name: string): EstimatorName {
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '');
  const wanted = typeof name === 'string' ? plain(name) : undefined;
  for (const [alias, target] of Object.entries(ESTIMATOR_ALIASES)) {
    if (alias === wanted) return target;
  }
  const found = (Object.keys(ESTIMATORS) as EstimatorName[]).find(identifier => plain(identifier) === wanted);
  if (found === undefined) {
    throw new ValueError(
      `getEstimator: unknown name ${show(name)}. Expected one of: ${Object.keys(ESTIMATORS).sort().join(', ')} ` +
        `(or ${Object.keys(ESTIMATOR_ALIASES).sort().join(', ')}).`,
    );
  }
  return found;
}

/** Whether the samples of an estimator are one-hot; of a function that is not known, and so not said. */
export function isKnownOneHot(identifier: EstimatorIdentifier): boolean {
  if (typeof identifier === 'function') return false;
  const name = resolveEstimatorName(typeof identifier === 'string' ? identifier : identifier.name);
  return (ESTIMATORS[name] as EstimatorEntry).hard;
}
