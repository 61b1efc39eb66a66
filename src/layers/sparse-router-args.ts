// The arguments of a sparse router: those of every routing layer, and how tokens choose.
// SPDX-License-Identifier: Apache-2.0
import {checkOneOf, checkRange, ValueError} from '../errors.js';
import {getMixtureRouter, type MixtureRouter, type RouterIdentifier} from './mixture-router.js';
import {type RouterCoreArgs, type RouterLayerArgs, resolveRouterCoreArgs} from './router-core-args.js';

/** Arguments of the router of a sparse mixture. */
export interface SparseRouterArgs extends RouterLayerArgs {
  /**
   * How tokens choose: a name of `ROUTERS`, a name or alias of `ESTIMATORS`, `{name, ...options}`, or a function (not saved). Of an estimator
   * only the chosen expert's derivative is known, which biases its gradient. Default 'switch'.
   */
  router?: RouterIdentifier;
  /** How the logits are made: 'linear', a product with a kernel; 'cosine', of a projection of the token with a vector of each expert. Default 'linear'. */
  logits?: 'linear' | 'cosine';
  /**
   * The step of loss-free balancing: by how much the bias of an expert's selection moves towards balance after each training step. For
   * routers that choose by a biased score, such as 'topK'. DeepSeek-V3 uses 0.001. Default 0, no such bias.
   */
  biasUpdateRate?: number;
}

/** The arguments with their defaults in place, without those of every layer. */
export type ResolvedSparseRouterArgs = RouterCoreArgs &
  Required<Pick<SparseRouterArgs, 'router' | 'logits' | 'biasUpdateRate'>>;

const LOGITS = ['linear', 'cosine'] as const;

/** Fills in defaults and refuses, in the name of GumbelMoE, what the layer cannot work with. */
export function resolveSparseRouterArgs({
  router = 'switch',
  logits = 'linear',
  biasUpdateRate = 0,
  ...rest
}: SparseRouterArgs): {args: ResolvedSparseRouterArgs; mixtureRouter: MixtureRouter} {
  const owner = 'GumbelMoE';
  const mixtureRouter = getMixtureRouter(router);
  const topK = rest.topK ?? mixtureRouter.defaultTopK;
  const core = resolveRouterCoreArgs(owner, {
    ...rest,
    topK,
    temperature: rest.temperature ?? mixtureRouter.temperature,
  });
  checkOneOf(owner, 'logits', logits, LOGITS);
  checkRange(owner, 'biasUpdateRate', biasUpdateRate, 0);
  if (topK > mixtureRouter.maxTopK) {
    throw new ValueError(
      `${owner}: topK (=${topK}) must not exceed ${mixtureRouter.maxTopK}, the most that router "${mixtureRouter.name}" chooses.`,
    );
  }
  if (biasUpdateRate > 0 && !mixtureRouter.takesBias) {
    throw new ValueError(
      `${owner}: biasUpdateRate needs a router that chooses by a biased score, such as "topK", but got "${mixtureRouter.name}".`,
    );
  }
  return {args: {...core, router, logits, biasUpdateRate}, mixtureRouter};
}
