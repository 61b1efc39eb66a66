// The arguments of a search cell: what they mean, their defaults, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import {checkBoolean, checkCount, checkOneOf} from '../errors.js';
import type {EstimatorIdentifier} from '../estimators/registry.js';
import type {ArchitectureLogitsArgs} from './architecture-logits-args.js';
import {type Candidate, type OperationIdentifier, resolveCandidates} from './search/candidates.js';
import {NAS_BENCH_201_OPERATIONS} from './search/operation-names.js';
import type {LayerArgs} from './tfjs-types.js';

/** What an operation that was not drawn counts as, in the gradient of the choice. */
export type UnsampledOutput = 'ones' | 'zeros' | 'computed';

/** Arguments of `searchCell`, all with defaults. */
export interface SearchCellArgs extends LayerArgs {
  /** Nodes of the cell, input and output included, at least 2. Default 4. */
  numNodes?: number;
  /** What each edge chooses from: names of NAS-Bench-201, and `{name, layer}` of one's own. Default the five of NAS-Bench-201. */
  operations?: readonly OperationIdentifier[];
  /**
   * What an operation that was not drawn counts as, in the gradient of the choice, dL/dchoice_o = <dL/dnode, output_o>.
   *
   * - 'ones': an output of ones, which costs nothing. That of GDAS: every logit learns in every step, from a proxy.
   * - 'zeros': an output of zeros, which costs nothing. Only what was drawn tells the logits anything.
   * - 'computed': its own output. All operations are evaluated forward (and update their batch statistics), the drawn one alone backward; this is
   *   what the estimators' guarantees are about.
   *
   * Default 'ones'.
   */
  unsampled?: UnsampledOutput;
  /** Whether the batch normalizations of NAS-Bench-201's operations learn a scale and a shift. Default false, as in its search. */
  affine?: boolean;
  /** Of the cell's own logits, as in `architectureLogits`: which estimator. Not for a cell that is given its choices. Default 'reinmax'. */
  estimator?: EstimatorIdentifier;
  /** Of the cell's own logits: the initial temperature. Not for a cell that is given its choices. Default 1. */
  temperature?: number;
  /** Makes the kernels of NAS-Bench-201's operations, and the cell's own logits and noise, a function of the seed. Default: different each time. */
  seed?: number;
}

/** The arguments with their defaults in place, without those of every layer. */
export interface ResolvedCellArgs {
  numNodes: number;
  candidates: readonly Candidate[];
  unsampled: UnsampledOutput;
  affine: boolean;
  /** Of the cell's own logits; undefined where the user said nothing. */
  estimator: EstimatorIdentifier | undefined;
  temperature: number | undefined;
  seed: number | undefined;
}

const OWNER = 'SearchCell';

/** Fills in defaults and refuses what the layer cannot work with. */
export function resolveCellArgs({
  numNodes = 4,
  operations = NAS_BENCH_201_OPERATIONS,
  unsampled = 'ones',
  affine = false,
  estimator,
  temperature,
  seed,
}: SearchCellArgs): ResolvedCellArgs {
  checkCount(OWNER, 'numNodes', numNodes, 2);
  const candidates = resolveCandidates(OWNER, operations);
  checkOneOf(OWNER, 'unsampled', unsampled, ['ones', 'zeros', 'computed'] as const);
  checkBoolean(OWNER, 'affine', affine);
  return {
    numNodes,
    candidates,
    unsampled,
    affine,
    estimator: estimator ?? undefined, // a saved layer has null
    temperature: temperature ?? undefined,
    seed: seed ?? undefined,
  };
}

/** The arguments of the cell's own logits. */
export function ownLogitsArgs({
  numNodes,
  candidates,
  estimator,
  temperature,
  seed,
}: ResolvedCellArgs): ArchitectureLogitsArgs {
  return {
    name: 'architecture',
    numNodes,
    operations: candidates.map(({name}) => ({name})),
    ...(estimator !== undefined && {estimator}),
    ...(temperature !== undefined && {temperature}),
    ...(seed !== undefined && {seed}),
  };
}
