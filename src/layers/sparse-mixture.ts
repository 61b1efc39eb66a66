// A mixture that evaluates the chosen experts alone, in training too.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {ValueError} from '../errors.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {assign} from '../router/assign.js';
import {expertCapacity} from '../router/capacity.js';
import {unchosenTerm, updateMeans} from '../router/gates/default-vectors.js';
import {denseTerm} from '../router/gates/dense-term.js';
import type {Assignment, Routing} from '../router/types.js';
import {buildChild} from './child-layers.js';
import {FeedForwardExpert} from './feed-forward-expert.js';
import {type ExpertArgs, hiddenWidths, type ResolvedSparseArgs} from './gumbel-moe-args.js';
import type {Mixture, MixtureCall} from './mixture.js';
import {getMixtureRouter} from './mixture-router.js';
import {MixtureState} from './mixture-state.js';
import {sumOfChosen} from './sparse-experts.js';
import {SparseRouter} from './sparse-router.js';
import type {SparseRouterArgs} from './sparse-router-args.js';
import {withoutPadding} from './token-mask.js';

/** What stays of the running mean of an expert's outputs at each step. */
const MEANS_DECAY = 0.9;

/** output = sum over choices j with a place of weight_j * expert_j(input), and what the shared expert adds. */
export class SparseMixture implements Mixture {
  readonly router: SparseRouter;
  readonly #args: ResolvedSparseArgs;
  readonly #experts: readonly tfl.layers.Layer[];
  readonly #state: MixtureState | undefined;
  readonly #shared: FeedForwardExpert | undefined;
  readonly #gate: tfl.layers.Layer | undefined;
  #units = 0;

  /** @param kernelSeed Of the shared expert's kernels. */
  constructor(
    router: SparseRouterArgs,
    args: ResolvedSparseArgs,
    expert: ExpertArgs,
    experts: readonly tfl.layers.Layer[],
    kernelSeed: (index: number) => number | undefined,
  ) {
    this.router = new SparseRouter(router);
    this.#args = args;
    this.#experts = experts;
    const {scalesOutput: hasScale = false, unchosenOutputs} = getMixtureRouter(router.router ?? 'switch');
    const hasMeans = unchosenOutputs === 'means';
    if (hasScale || hasMeans) this.#state = new MixtureState({hasScale, hasMeans, numExperts: router.numExperts});
    const {sharedHiddenUnits, sharedGate} = args;
    if (sharedHiddenUnits === null) return;
    const {activation, gated} = expert;
    const hiddenUnits = hiddenWidths(sharedHiddenUnits);
    const units = () => this.#units;
    this.#shared = new FeedForwardExpert({name: 'shared_expert', hiddenUnits, units, activation, gated, kernelSeed});
    if (sharedGate === 'none') return;
    this.#gate = tfl.layers.dense({
      name: 'shared_gate',
      units: sharedGate === 'sigmoid' ? 1 : 2,
      activation: sharedGate,
      useBias: false,
      kernelInitializer: 'zeros', // each side counts one half at first
    });
  }

  get extras(): readonly tfl.layers.Layer[] {
    return [this.#state, this.#shared, this.#gate].filter(layer => layer !== undefined);
  }

  build(width: number, units: number): void {
    this.#units = units;
    if (this.#state) buildChild(this.#state, [null, units]);
    if (this.#shared) buildChild(this.#shared, [null, width]);
    if (this.#gate) buildChild(this.#gate, [null, width]);
  }

  call(tokens: tf.Tensor2D, call: MixtureCall): tf.Tensor2D {
    const {training, mask, leading} = call;
    const {routing, assignment} = this.router.route(tokens, {
      training,
      mask,
      leading,
      capacity: this.#capacity(tokens.shape[0], training),
      assign: (wanted, random) => {
        const capacity = this.#placesOf(tokens.shape[0], training);
        const {capacityOrder} = this.#args;
        const order = capacityOrder === 'random' && !training ? 'position' : capacityOrder;
        const weights = noGradient(() => tf.clone(wanted.weights));
        return assign(wanted.indices, this.router.numExperts, {
          order,
          weights,
          ...(capacity !== undefined && {capacity}),
          ...(random && {random}),
        });
      },
    });
    const {dispatch} = this.#args;
    // Before the means take in the outputs of this step.
    const unchosen = routing.unchosen && this.#termOfUnchosen(tokens, routing.unchosen, call);
    const means = training ? this.#state?.means : undefined;
    const observe =
      means &&
      ((outputs: tf.Tensor2D[], counts?: tf.Tensor1D) => {
        const options = {decay: MEANS_DECAY, ...(counts && {counts})};
        means.write(updateMeans(means.read() as tf.Tensor2D, outputs, options));
      });
    let sum = sumOfChosen(tokens, routing, assignment, this.#experts, this.#units, dispatch, call.apply, observe);
    if (unchosen) sum = tf.add(sum, unchosen);
    if (routing.residualWeights) sum = tf.add(sum, this.#residual(tokens, routing.residualWeights));
    const scale = this.#state?.scale;
    if (scale) sum = tf.mul(sum, scale);
    return this.#withShared(sum, tokens, routing, assignment, mask);
  }

  /** C of this call; undefined where nothing is dropped. */
  #placesOf(numTokens: number, training: boolean): number | undefined {
    const {capacityFactor, evalCapacityFactor, minCapacity} = this.#args;
    const factor = training ? capacityFactor : evalCapacityFactor;
    if (factor === null) return undefined;
    const {numExperts, topK} = this.router;
    return expertCapacity(numTokens, numExperts, {topK, capacityFactor: factor, minCapacity});
  }

  /** How many tokens an expert takes where the experts choose: without a capacity factor, as many as balance. */
  #capacity(numTokens: number, training: boolean): number {
    const {numExperts, topK} = this.router;
    return this.#placesOf(numTokens, training) ?? expertCapacity(numTokens, numExperts, {topK, capacityFactor: 1});
  }

  /** Zeros, with the gradient for the weights of experts that were not chosen. */
  #termOfUnchosen(tokens: tf.Tensor2D, unchosen: tf.Tensor2D, {apply, mask}: MixtureCall): tf.Tensor2D {
    const means = this.#state?.means;
    if (means) return unchosenTerm(unchosen, tf.clone(means.read()) as tf.Tensor2D);
    const isReal = mask && tf.cast<tf.Tensor1D>(mask, 'bool');
    const outputs = this.#experts.map(expert => noGradient(() => tf.clone(apply(expert, tokens, isReal))));
    return denseTerm(
      unchosen,
      outputs.map(output => withoutPadding(output, mask)), // an expert may make anything of a row of zeros
    );
  }

  /** What the tokens themselves add. */
  #residual(tokens: tf.Tensor2D, weights: tf.Tensor1D): tf.Tensor2D {
    const width = tokens.shape[1];
    if (width !== this.#units) {
      throw new ValueError(
        `GumbelMoE: this router adds the token to its expert's output, so units must be the input's width (=${width}), but got ${this.#units}.`,
      );
    }
    return tf.mul(tokens, tf.expandDims(weights, 1));
  }

  #withShared(
    sum: tf.Tensor2D,
    tokens: tf.Tensor2D,
    routing: Routing,
    assignment: Assignment,
    mask: tf.Tensor1D | undefined,
  ): tf.Tensor2D {
    if (!this.#shared) return sum;
    const shared = this.#shared.apply(tokens) as tf.Tensor2D;
    const real = mask ? tf.mul<tf.Tensor2D>(shared, tf.expandDims(mask, 1)) : shared;
    if (this.#args.overflow === 'shared') return tf.add(sum, tf.mul(real, droppedWeight(routing, assignment)));
    if (!this.#gate) return tf.add(sum, real);
    const gates = this.#gate.apply(tokens) as tf.Tensor2D;
    if (this.#args.sharedGate === 'sigmoid') return tf.add(sum, tf.mul(real, gates));
    const [ofMixture, ofShared] = tf.split(gates, 2, 1) as [tf.Tensor2D, tf.Tensor2D];
    return tf.add(tf.mul(sum, ofMixture), tf.mul(real, ofShared));
  }
}

/** The sum of the weights of a token's choices that have no place, [T, 1]. */
function droppedWeight({weights}: Routing, {experts}: Assignment): tf.Tensor2D {
  const isDropped = noGradient(() => toFloat(tf.less(experts, tf.scalar(0, 'int32'))));
  return tf.sum<tf.Tensor2D>(tf.mul(weights, isDropped), 1, true);
}
