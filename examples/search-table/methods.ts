// The methods: how they are written, what they are called, and the search that each is.
// SPDX-License-Identifier: Apache-2.0
import {
  ESTIMATOR_ALIASES,
  ESTIMATORS,
  type EstimatorName,
  SCORE_ESTIMATOR_ALIASES,
  SCORE_ESTIMATORS,
} from 'tfjs-moe/estimators';
import {estimatorProposer} from './estimator-proposer.js';
import {evolution} from './evolution.js';
import {type PolicyName, policySearch} from './policy-search.js';
import {randomSearch} from './random-search.js';
import type {Search} from './search.js';
import {enumerateCells, surrogateSearch} from './surrogate-search.js';

/** A method by its name, with what stands behind the colon: draws a step of leaveOneOut, or the temperature of a pathwise estimator. */
export interface MethodChoice {
  name: string;
  /** Null for a method that has no such number. */
  option: number | null;
}

/**
 * Adam's rate for each: of .03, .05, .1, .15, .2 and .3 the one with the least regret after 300 evaluations on CIFAR-10, with the seeds
 * 1,000,000 to 1,000,124, which are not reported.
 */
const POLICIES: Record<PolicyName, (numSamples: number) => number> = {
  reinforce: () => 0.1,
  leaveOneOut: numSamples => (numSamples < 4 ? 0.1 : 0.15),
  relax: () => 0.05,
};
const RANDOM = 'random';
const EVOLUTION = 'evolution';
const ENUMERATE = 'enumerate';

/** All names, for the help. */
export const METHOD_NAMES: readonly string[] = [
  RANDOM,
  EVOLUTION,
  ...Object.keys(POLICIES),
  ...Object.keys(ESTIMATORS),
  ENUMERATE,
];

const ALIASES: Record<string, string> = {...ESTIMATOR_ALIASES, ...SCORE_ESTIMATOR_ALIASES};

const isPolicy = (name: string): name is PolicyName => Object.hasOwn(POLICIES, name);
const isPathwise = (name: string): name is EstimatorName => Object.hasOwn(ESTIMATORS, name);

/** Reads `name` or `name:number`. @throws Error in words that complete an error of the command line. */
export function parseMethod(text: string): MethodChoice {
  const [alias = '', number, ...rest] = text.split(':');
  const name = Object.hasOwn(ALIASES, alias) ? ALIASES[alias]! : alias;
  if (Object.hasOwn(SCORE_ESTIMATORS, name) && !isPolicy(name)) {
    throw new Error(`${name} is for bits, and an edge has five operations.`);
  }
  if (!METHOD_NAMES.includes(name)) throw new Error(`There is no "${name}"; the names are ${METHOD_NAMES.join(', ')}.`);
  const value = number?.trim() === '' || rest.length > 0 ? Number.NaN : Number(number);
  if (name === 'leaveOneOut') {
    const draws = number === undefined ? 2 : value;
    if (!Number.isSafeInteger(draws) || draws < 2) throw new Error(`A number of draws is at least 2, as in ${name}:4.`);
    return {name, option: draws};
  }
  if (isPathwise(name)) {
    const temperature = number === undefined ? 1 : value;
    const held = Math.fround(temperature);
    if (!(held > 0 && Number.isFinite(held))) throw new Error(`A temperature is a number above 0, as in ${name}:0.5.`);
    return {name, option: temperature};
  }
  if (number !== undefined) throw new Error(`${name} takes no number.`);
  return {name, option: null};
}

/** The method as parseMethod reads it, the shortest way. */
export function formatMethod({name, option}: MethodChoice): string {
  const isStandard = option === null || option === (name === 'leaveOneOut' ? 2 : 1);
  return isStandard ? name : `${name}:${option}`;
}

/** The method in prose. */
export function titleOf({name, option}: MethodChoice): string {
  if (name === RANDOM) return 'Random search';
  if (name === EVOLUTION) return 'Regularised evolution';
  if (name === ENUMERATE) return 'Surrogate, enumerated';
  if (name === 'leaveOneOut') return `${SCORE_ESTIMATORS.leaveOneOut.title}, ${option} draws`;
  if (isPolicy(name)) return SCORE_ESTIMATORS[name].title;
  const {title} = ESTIMATORS[name as EstimatorName];
  return `Surrogate, ${title}${option === 1 ? '' : `, \u03c4 = ${option}`}`;
}

/** The rate of a method of the score-function family: what an option says, or its own. Null for the other methods. */
export function learningRateOf({name, option}: MethodChoice, learningRate: number | null): number | null {
  return isPolicy(name) ? (learningRate ?? POLICIES[name](option ?? 1)) : null;
}

/** The search. @param learningRate Of the score-function family; null for each method's own. */
export function createSearch(choice: MethodChoice, learningRate: number | null): Search {
  const {name, option} = choice;
  if (name === RANDOM) return randomSearch;
  if (name === EVOLUTION) return evolution;
  if (name === ENUMERATE) return surrogateSearch(enumerateCells);
  if (isPolicy(name)) {
    return policySearch({name, numSamples: option ?? 1, learningRate: learningRateOf(choice, learningRate)!});
  }
  return surrogateSearch(estimatorProposer({name: name as EstimatorName, temperature: option!}));
}
