// Every router of a sparse mixture, once. The contract test, the docs and the command line read this table.
// SPDX-License-Identifier: Apache-2.0
import {show, ValueError} from '../errors.js';
import {seeded} from '../random/random-source.js';
import {baseRouting} from './base-routing.js';
import {expertChoice} from './expert-choice.js';
import {denseMixer} from './gates/dense-mixer.js';
import {sparseMixer} from './gates/sparse-mixer.js';
import {sparseMixerV2} from './gates/sparse-mixer-v2.js';
import {sparseMixerV2Star} from './gates/sparse-mixer-v2-star.js';
import {sparseReinmax} from './gates/sparse-reinmax.js';
import {sparseStraightThrough} from './gates/sparse-straight-through.js';
import {gshardRouting} from './gshard-routing.js';
import {lshRouting} from './lsh-routing.js';
import {noisyTopKRouting} from './noisy-top-k-routing.js';
import {randomRouting} from './random-routing.js';
import {sinkhornRouting} from './sinkhorn.js';
import {switchRouting} from './switch-routing.js';
import {topKRouting} from './top-k-routing.js';
import type {Router, RouterContext, Routing} from './types.js';

/** A row of the registry. */
export interface RouterEntry {
  /** The function; its own options stand beside the context. */
  route: Router;
  /** Its name in prose. */
  title: string;
  /** The paper. */
  reference: string;
  /** Options that a layer's configuration may set. */
  ownOptions: readonly string[];
  /** K where none is given. */
  defaultTopK: number;
  /** The largest K that it takes; Infinity for any. */
  maxTopK: number;
  /** Whether it chooses by scores to which a bias may be added, which loss-free balancing needs. */
  takesBias?: boolean;
  /** Whether it learns its noise, from logits of its own. */
  learnsNoise?: boolean;
  /** Whether the experts choose, each `capacity` tokens. */
  expertsChoose?: boolean;
  /** What stands for the outputs of experts that were not chosen in the router's gradient, where it asks for them. */
  unchosenOutputs?: 'computed' | 'means';
  /** Whether the layer multiplies the sum by a learned factor for each output feature. */
  scalesOutput?: boolean;
}

const ANY = {defaultTopK: 1, maxTopK: Number.POSITIVE_INFINITY};
const ONE = {defaultTopK: 1, maxTopK: 1};

/** Every router by its identifier. */
export const ROUTERS = {
  switch: {
    route: switchRouting,
    title: 'Switch',
    reference: 'https://arxiv.org/abs/2101.03961',
    ownOptions: [],
    ...ONE,
  },
  topK: {
    route: topKRouting,
    title: 'Top-k',
    reference: 'https://arxiv.org/abs/1701.06538',
    ownOptions: ['normalize', 'scores', 'scaling', 'numGroups', 'topGroups'],
    ...ANY,
    takesBias: true,
  },
  gshard: {
    route: gshardRouting,
    title: 'GShard top-2',
    reference: 'https://arxiv.org/abs/2006.16668',
    ownOptions: ['secondPolicy', 'threshold'],
    defaultTopK: 2,
    maxTopK: 2,
  },
  noisyTopK: {
    route: noisyTopKRouting,
    title: 'Noisy top-k',
    reference: 'https://arxiv.org/abs/1701.06538',
    ownOptions: ['noiseStd', 'softmaxOver'],
    ...ANY,
    learnsNoise: true,
  },
  expertChoice: {
    route: (logits, {capacity, mask}: RouterContext = {}): Routing => {
      if (capacity === undefined) throw new ValueError('expertChoice: the capacity must be given in the context.');
      const {routing, assignment} = expertChoice(logits, mask ? {capacity, mask} : {capacity});
      return {...routing, assignment};
    },
    title: 'Expert choice',
    reference: 'https://arxiv.org/abs/2202.09368',
    ownOptions: [],
    ...ANY,
    expertsChoose: true,
  },
  sinkhorn: {
    route: sinkhornRouting,
    title: 'Sinkhorn',
    reference: 'https://arxiv.org/abs/2202.01169',
    ownOptions: ['tolerance'],
    ...ANY,
  },
  base: {
    route: baseRouting,
    title: 'BASE',
    reference: 'https://arxiv.org/abs/2103.16716',
    ownOptions: [],
    ...ONE,
  },
  hash: {
    route: (logits, {tokens, mask, seed = 0}: RouterContext & {seed?: number} = {}) => {
      if (!tokens) throw new ValueError('hash: the tokens must be given in the context, but got none.');
      const options = {numExperts: logits.shape[1], random: seeded(seed)};
      return lshRouting(tokens, mask ? {...options, mask} : options);
    },
    title: 'Hash of the token (sign of random projections)',
    reference: 'https://arxiv.org/abs/2106.04426',
    ownOptions: ['seed'],
    ...ONE,
  },
  random: {
    route: randomRouting,
    title: 'Random',
    reference: 'https://arxiv.org/abs/2110.03888',
    ownOptions: [],
    ...ANY,
  },
  sparseMixer: {
    route: sparseMixer,
    title: 'SparseMixer',
    reference: 'https://arxiv.org/abs/2310.00811',
    ownOptions: ['jitter', 'expertGradient'],
    ...ONE,
    scalesOutput: true,
  },
  sparseMixerV2: {
    route: sparseMixerV2,
    title: 'SparseMixer-v2',
    reference: 'https://arxiv.org/abs/2409.12136',
    ownOptions: ['jitter', 'expertGradient'],
    ...ANY,
  },
  sparseMixerV2Star: {
    route: sparseMixerV2Star,
    title: 'SparseMixer-v2*',
    reference: 'https://arxiv.org/abs/2409.12136',
    ownOptions: ['jitter', 'expertGradient'],
    ...ANY,
  },
  sparseReinmax: {
    route: sparseReinmax,
    title: 'ReinMax of the chosen expert alone',
    reference: 'https://arxiv.org/abs/2304.08612',
    ownOptions: [],
    ...ANY,
  },
  sparseStraightThrough: {
    route: sparseStraightThrough,
    title: 'Straight-through of the chosen expert alone',
    reference: 'https://arxiv.org/abs/1308.3432',
    ownOptions: [],
    ...ANY,
  },
  denseMixer: {
    route: denseMixer,
    title: 'DenseMixer',
    reference: 'https://github.com/yaof20/DenseMixer',
    ownOptions: [],
    ...ANY,
    unchosenOutputs: 'computed',
  },
  runningMeans: {
    route: denseMixer,
    title: 'Top-k with running means for the other experts',
    reference: 'https://arxiv.org/abs/2504.12463',
    ownOptions: [],
    ...ANY,
    unchosenOutputs: 'means',
  },
} satisfies Record<string, RouterEntry>;

/** An identifier of `ROUTERS`. */
export type RouterName = keyof typeof ROUTERS;

/** A router's name with options bound to it. */
export interface RouterConfig {
  /** Identifier. */
  name: RouterName;
  [option: string]: unknown;
}

/** A router with its options bound. */
export interface BoundRouter extends Omit<RouterEntry, 'title' | 'reference' | 'ownOptions'> {
  /** Its identifier. */
  name: RouterName;
}

/**
 * Looks a router up.
 *
 * @param identifier A name of `ROUTERS`, or `{name, ...options}` with the router's own options.
 * @throws ValueError for an unknown name and for an option that the router does not have.
 * @example
 * getRouter({name: 'topK', scores: 'sigmoid', normalize: true}).route(logits, {topK: 2});
 */
export function getRouter(identifier: RouterName | RouterConfig): BoundRouter {
  const {name, ...options} = typeof identifier === 'string' ? {name: identifier} : identifier;
  const names = Object.keys(ROUTERS);
  if (!names.includes(name)) {
    throw new ValueError(`getRouter: unknown name ${show(name)}. Expected one of: ${names.sort().join(', ')}.`);
  }
  const {title: _title, reference: _reference, ownOptions, ...entry}: RouterEntry = ROUTERS[name];
  for (const option of Object.keys(options)) {
    if (!ownOptions.includes(option)) {
      const known = ownOptions.length === 0 ? 'it has none' : `it has ${ownOptions.join(', ')}`;
      throw new ValueError(`getRouter: ${name} has no option ${show(option)}; ${known}.`);
    }
  }
  const fixed = options.noiseStd === undefined ? {} : {learnsNoise: false}; // noise that is given is not learned
  return {...entry, ...fixed, name, route: (logits, context) => entry.route(logits, {...context, ...options})};
}
