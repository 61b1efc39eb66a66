// What every routing layer keeps: the weights behind its logits, its noise, its auxiliary losses and its statistics.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import type {RandomSource} from '../random/random-source.js';
import {addCounts} from '../router/running-counts.js';
import {AuxiliaryLossQueue, injectLoss} from './auxiliary-loss.js';
import {resolveInitializer} from './initializers.js';
import {featureWidth} from './layer-input.js';
import type {RouterCoreArgs} from './router-core-args.js';
import {hasNoLoss, type RouterLossOptions, type RouterOutcome, routerLoss} from './router-loss.js';
import {addToStatistics, statisticsSize, takingEarlierStatistics} from './router-statistics.js';
import {type AddWeight, SamplerState} from './sampler-state.js';

/** Which stream of a step a kind of noise comes from, so that one kind does not move another. */
export const STREAM = {draw: 0, jitter: 1, load: 2, order: 3};

/**
 * The part of a routing layer that does not depend on how it chooses. A layer makes one, builds it in its own `build`, and frees its losses
 * in its own `dispose`; the weights are the layer's.
 */
export class RouterCore {
  readonly #owner: string;
  readonly #args: RouterCoreArgs;
  readonly #losses = new AuxiliaryLossQueue();
  #addWeight!: AddWeight;
  readonly #sampler: SamplerState;
  #kernel: tfl.LayerVariable | undefined;
  #bias: tfl.LayerVariable | undefined;
  #statistics!: tfl.LayerVariable;
  #runningCounts: tfl.LayerVariable | undefined;

  /** @param owner The layer's class, for the error messages. */
  constructor(owner: string, args: RouterCoreArgs) {
    this.#owner = owner;
    this.#args = args;
    this.#sampler = new SamplerState(owner, args);
  }

  /** Where the layer stands in its model. */
  get scope(): string {
    return this.#sampler.scope;
  }

  /** The temperature in force. */
  get temperature(): number {
    return this.#sampler.temperature;
  }

  set temperature(value: number) {
    this.#sampler.temperature = value;
  }

  /** How many training calls the layer has seen. */
  get step(): number {
    return this.#sampler.step;
  }

  /** Sums over the valid training tokens since they were last set to zero. */
  get statistics(): tfl.LayerVariable {
    this.#sampler.assertBuilt('statistics');
    return this.#statistics;
  }

  /** Makes the weights; `hasKernel` says whether the logits are a product with a kernel. Returns the number of features. */
  build(layer: tfl.layers.Layer, inputShape: tfl.Shape | tfl.Shape[], addWeight: AddWeight, hasKernel = true): number {
    const width = featureWidth(this.#owner, inputShape);
    const {numExperts, useBias, kernelInitializer, loadBalancingScope} = this.#args;
    this.#addWeight = addWeight;
    this.#sampler.build(layer, addWeight);
    this.#statistics = takingEarlierStatistics(this.addState('statistics', [statisticsSize(numExperts)]));
    if (loadBalancingScope === 'running') this.#runningCounts = this.addState('running_counts', [numExperts]);
    if (hasKernel) this.#kernel = this.addKernel('kernel', [width, numExperts], kernelInitializer, 0);
    if (useBias) this.#bias = addWeight('bias', [numExperts], 'float32', tfl.initializers.zeros(), true);
    return width;
  }

  /** Makes a weight of zeros that is saved and not trained. */
  addState(name: string, shape: number[], dtype: 'float32' | 'int32' = 'float32'): tfl.LayerVariable {
    return this.#addWeight(name, shape, dtype, tfl.initializers.zeros(), false);
  }

  /** Makes a trained weight; `stream` keeps the initial values of several apart. */
  addKernel(
    name: string,
    shape: number[],
    initializer: RouterCoreArgs['kernelInitializer'],
    stream: number,
  ): tfl.LayerVariable {
    const resolved = resolveInitializer(this.#owner, 'kernelInitializer', initializer, this.#sampler.childSeed(stream));
    return this.#addWeight(name, shape, 'float32', resolved, true);
  }

  /** Refuses a tensor that is not [..., features]. */
  checkInput(input: tf.Tensor, width: number): void {
    if (input.rank < 2 || input.shape[input.rank - 1] !== width) {
      throw new ValueError(`${this.#owner}: input must have shape [..., ${width}], but got ${show(input.shape)}.`);
    }
  }

  /** tokens . kernel + bias, [tokens, experts]. */
  logits(tokens: tf.Tensor2D): tf.Tensor2D {
    return this.withBias(tf.matMul(tokens, this.#kernel!.read() as tf.Tensor2D));
  }

  /** Adds the learned bias, where there is one. */
  withBias(logits: tf.Tensor2D): tf.Tensor2D {
    return this.#bias === undefined ? logits : tf.add<tf.Tensor2D>(logits, this.#bias.read());
  }

  /** The noise of this training call, which it counts. */
  nextStep(): RandomSource {
    return this.#sampler.nextStep();
  }

  /** Multiplies the router's input, and nothing else's, by noise around 1. */
  jittered(tokens: tf.Tensor2D, random: RandomSource): tf.Tensor2D {
    const {jitter} = this.#args;
    if (jitter === 0) return tokens;
    const factors = Float32Array.from(random.split(STREAM.jitter).uniform(tokens.size), u => 1 + jitter * (2 * u - 1));
    return tf.mul(tokens, tf.tensor2d(factors, tokens.shape));
  }

  /** Adds a training call to the statistics and its losses to the model's; returns `output` with the injected ones on it. */
  settle<T extends tf.Tensor>(output: T, outcome: RouterOutcome, random: RandomSource): T {
    const {probs, assignment, mask, dropped} = outcome;
    const statistics = this.#statistics.read() as tf.Tensor1D;
    this.#statistics.write(addToStatistics(statistics, probs, assignment, mask, dropped));
    if (hasNoLoss(this.#args)) return output;
    const {topK, loadBalancingWeight} = this.#args;
    const loss = this.named(() => {
      const balancing = loadBalancingWeight > 0 ? this.#balancing(outcome) : {};
      return routerLoss(this.#args, outcome, {topK, random: random.split(STREAM.load), balancing});
    });
    if (this.#args.auxLoss === 'inject') return injectLoss(output, loss);
    this.#losses.push(loss);
    return output;
  }

  /** The losses of this step, once. */
  takeLosses(): tf.Scalar {
    return this.#losses.take();
  }

  /** Frees what a step that broke off may have left. */
  dispose(): void {
    this.#losses.dispose();
  }

  /** Says in an error of a router or estimator which layer it was in: a model may hold many. */
  named<T>(fn: () => T): T {
    return this.#sampler.named(fn);
  }

  /** How this call is balanced; running counts take it in. */
  #balancing({assignment, mask, leading}: RouterOutcome): RouterLossOptions['balancing'] {
    const {loadBalancingConvention: convention, loadBalancingScope: scope, loadBalancingDecay: decay} = this.#args;
    if (scope === 'sequence' && leading.length < 2) {
      throw new ValueError(
        'loadBalancingScope "sequence" needs an input of shape [batch, ..., tokens, features], ' +
          `but got one of rank ${leading.length + 1}.`,
      );
    }
    if (scope !== 'running') return {convention, scope};
    const running = this.#runningCounts!;
    const counts = addCounts(running.read() as tf.Tensor1D, {kHot: assignment}, {decay, ...(mask && {mask})});
    running.write(counts);
    return {convention, counts};
  }
}
