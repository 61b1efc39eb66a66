// The layer that chooses: logits from the input, a discrete sample forward, an estimated gradient backward.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkPositive, show, ValueError} from '../errors.js';
import {getEstimator} from '../estimators/registry.js';
import type {Estimator} from '../estimators/types.js';
import {hostScalar} from '../ops/host-read.js';
import {noGradient} from '../ops/no-gradient.js';
import {topKMask} from '../ops/top-k-mask.js';
import {noChoice} from '../random/categorical.js';
import type {RandomSource} from '../random/random-source.js';
import {AuxiliaryLossQueue, injectLoss} from './auxiliary-loss.js';
import {type DiscreteRouterArgs, type ResolvedRouterArgs, resolveRouterArgs} from './discrete-router-args.js';
import {drawChoices} from './draw-choices.js';
import {resolveInitializer, serializeInitializer} from './initializers.js';
import {featureWidth, singleShape, singleTensor} from './layer-input.js';
import {type LayerRandom, layerRandom, scopeOf} from './layer-random.js';
import {hasNoLoss, routerLoss} from './router-loss.js';
import {addToStatistics, statisticsSize} from './router-statistics.js';
import type {Kwargs} from './tfjs-types.js';
import {tokenMask, withoutPadding} from './token-mask.js';

/** Which stream of a step a kind of noise comes from, so that one kind does not move another. */
const STREAM = {draw: 0, jitter: 1, load: 2};

/**
 * Chooses topK of numExperts categories for each row of its input.
 *
 * logits = input . kernel (+ bias). In training, a sample of softmax(logits) drawn by the estimator, which also gives it its gradient; in
 * inference, the topK largest logits. Rows that the mask marks as padding get zeros and count in no loss.
 *
 * Input shape: [..., features], rank 2 or more.
 * Output shape: [..., numExperts], float32; topK ones a row (a relaxed sample for `gumbelSoftmax`).
 * Call arguments: `training`, and `mask` of shape [...], the input's without its last axis.
 *
 * In training the layer adds its auxiliary losses (see `DiscreteRouterArgs`) to the model's; they are no part of `evaluate`. Its weights
 * hold, beside kernel and bias, the temperature, the number of training calls so far and the routing statistics since they were last
 * reset, so that a saved model resumes on the same noise.
 *
 * A mask is taken for the input's where its shape fits; tfjs also hands on the mask of another branch, which shows only where its shape
 * differs. `calculateLosses` gives the losses of a step once: a custom loop that needs them twice must keep them.
 *
 * Errors: a ValueError for bad arguments and input shapes, and for logits with NaN or Infinity on backends that keep their tensors on the
 * host (cpu, wasm, tfjs-node); on others the output of such a row is NaN, never a silent choice.
 */
export class DiscreteRouter extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'DiscreteRouter';

  readonly #args: ResolvedRouterArgs;
  readonly #estimate: Estimator;
  #scope = '';
  #random!: LayerRandom;
  readonly #losses = new AuxiliaryLossQueue();
  #kernel!: tfl.LayerVariable;
  #bias: tfl.LayerVariable | undefined;
  #temperature!: tfl.LayerVariable;
  #step!: tfl.LayerVariable;
  #statistics!: tfl.LayerVariable;

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: DiscreteRouterArgs) {
    super(args);
    this.#args = resolveRouterArgs(args);
    this.#estimate = getEstimator(this.#args.estimator);
    this.supportsMasking = true;
    this.addLoss(() => this.#losses.take()); // once: a loss added in `call` would be added again each step
  }

  /** E, the number of categories. */
  get numExperts(): number {
    return this.#args.numExperts;
  }

  /** K, how many are chosen. */
  get topK(): number {
    return this.#args.topK;
  }

  /** The temperature in force; writing it is how `AnnealTemperature` changes it. Refuses what is not positive and finite. */
  get temperature(): number {
    return this.built ? hostScalar(this.#temperature.read()) : this.#args.temperature;
  }

  set temperature(value: number) {
    checkPositive('DiscreteRouter', 'temperature', value);
    this.#assertBuilt('temperature');
    tf.tidy(() => {
      this.#temperature.write(tf.scalar(value));
    });
  }

  /** How many training calls the layer has seen. */
  get step(): number {
    return this.built ? hostScalar(this.#step.read()) : 0;
  }

  /** Sums over the valid training tokens since they were last set to zero; `routerMetrics` reads them. */
  get statistics(): tfl.LayerVariable {
    this.#assertBuilt('statistics');
    return this.#statistics;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const width = featureWidth('DiscreteRouter', inputShape);
    const {numExperts, useBias, kernelInitializer, temperature, seed} = this.#args;
    const zeros = tfl.initializers.zeros();
    const addState = (name: string, shape: number[], dtype: 'float32' | 'int32') =>
      this.addWeight(name, shape, dtype, zeros, undefined, false);
    this.#temperature = addState('temperature', [], 'float32');
    this.#step = addState('step', [], 'int32');
    this.#statistics = addState('statistics', [statisticsSize(numExperts)], 'float32');
    this.#scope = scopeOf(this, this.#temperature);
    this.#random = layerRandom(seed, this.#scope);
    const kernel = resolveInitializer(
      'DiscreteRouter',
      'kernelInitializer',
      kernelInitializer,
      this.#random.childSeed(0),
    );
    this.#kernel = this.addWeight('kernel', [width, numExperts], 'float32', kernel);
    if (useBias) this.#bias = this.addWeight('bias', [numExperts], 'float32', zeros);
    // Written from the host, where an initializer may compute on the device: hostScalar reads them back.
    tf.tidy(() => {
      this.#temperature.write(tf.scalar(temperature));
      this.#step.write(tf.scalar(0, 'int32'));
    });
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const input = singleTensor(inputs);
      const [width, numExperts] = this.#kernel.shape as [number, number];
      if (input.rank < 2 || input.shape[input.rank - 1] !== width) {
        throw new ValueError(`DiscreteRouter: input must have shape [..., ${width}], but got ${show(input.shape)}.`);
      }
      const outputShape = [...input.shape.slice(0, -1), numExperts];
      const numRows = input.size / width;
      if (numRows === 0) return tf.zeros(outputShape); // wasm sums over an empty axis to whatever was in memory
      const mask = tokenMask(kwargs, input.shape);
      const tokens = withoutPadding(tf.reshape(tf.cast(input, 'float32'), [numRows, width]), mask);
      const choice = kwargs?.training === true ? this.#sample(tokens, mask) : this.#decide(this.#logits(tokens));
      const valid: tf.Tensor = mask === undefined ? choice : tf.mul(choice, tf.expandDims(mask, 1));
      return tf.reshape(valid, outputShape);
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return [...singleShape(inputShape).slice(0, -1), this.#args.numExperts];
  }

  override computeMask(_inputs: tf.Tensor | tf.Tensor[], mask?: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return (mask === undefined || mask === null ? null : singleTensor(mask)) as tf.Tensor;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {estimator, kernelInitializer, seed, ...plain} = this.#args;
    if (typeof estimator === 'function') {
      throw new ValueError(
        `DiscreteRouter: estimator is ${show(estimator)}, which cannot be saved. Name one of the registry to save the model.`,
      );
    }
    return {
      ...super.getConfig(),
      ...plain,
      estimator: estimator as tf.serialization.ConfigDictValue,
      kernelInitializer: serializeInitializer(kernelInitializer),
      seed: seed ?? null,
    };
  }

  /** Frees, beside the weights, what a step that broke off may have left. */
  protected override disposeWeights(): number {
    this.#losses.dispose();
    return super.disposeWeights();
  }

  #logits(tokens: tf.Tensor2D): tf.Tensor2D {
    const logits = tf.matMul(tokens, this.#kernel.read() as tf.Tensor2D); // [tokens, experts]
    return this.#bias === undefined ? (logits as tf.Tensor2D) : tf.add<tf.Tensor2D>(logits, this.#bias.read());
  }

  /** The choice of inference: the topK largest logits. */
  #decide(logits: tf.Tensor2D): tf.Tensor2D {
    return noGradient(() => topKMask(logits, this.#args.topK, row => this.#refuseRow(row))) as tf.Tensor2D;
  }

  /** The choice of training, with its gradient, its losses and its statistics. */
  #sample(tokens: tf.Tensor2D, mask: tf.Tensor1D | undefined): tf.Tensor2D {
    const step = this.step;
    this.#step.write(tf.scalar(step + 1, 'int32'));
    const random = this.#random.atStep(step);
    const logits = this.#logits(this.#jitter(tokens, random.split(STREAM.jitter)));
    const {topK} = this.#args;
    const options = {temperature: this.temperature, random: random.split(STREAM.draw)};
    const {sample, probs, assignment} = this.#named(() => drawChoices(this.#estimate, logits, topK, options));
    this.#statistics.write(addToStatistics(this.#statistics.read() as tf.Tensor1D, probs, assignment, mask));
    if (hasNoLoss(this.#args)) return sample;
    const loss = routerLoss(this.#args, {logits, probs, assignment, mask}, topK, random.split(STREAM.load));
    if (this.#args.auxLoss === 'inject') return injectLoss(sample, loss);
    this.#losses.push(loss);
    return sample;
  }

  /** Multiplies the router's input, and nothing else's, by noise around 1. */
  #jitter(tokens: tf.Tensor2D, random: RandomSource): tf.Tensor2D {
    const {jitter} = this.#args;
    if (jitter === 0) return tokens;
    const factors = Float32Array.from(random.uniform(tokens.size), u => 1 + jitter * (2 * u - 1));
    return tf.mul(tokens, tf.tensor2d(factors, tokens.shape));
  }

  #refuseRow(row: number): never {
    throw new ValueError(noChoice(`DiscreteRouter "${this.#scope}"`, row));
  }

  /** Says in an estimator's error which layer it was in: a model may hold many. */
  #named<T>(fn: () => T): T {
    try {
      return fn();
    } catch (error) {
      if (error instanceof ValueError) throw new ValueError(`DiscreteRouter "${this.#scope}": ${error.message}`);
      throw error;
    }
  }

  #assertBuilt(field: string): void {
    if (!this.built) {
      throw new ValueError(
        `DiscreteRouter: ${field} is there once the layer is built. Call it, or put it into a model, first.`,
      );
    }
  }
}
tf.serialization.registerClass(DiscreteRouter);

/**
 * Makes a layer that chooses topK of numExperts categories a row, and trains through the choice by an estimator.
 *
 * @param args numExperts; the rest has defaults.
 * @returns The layer; see `DiscreteRouter` for shapes, losses and masks.
 * @throws ValueError for arguments out of range.
 * @example
 * ```ts
 * const router = discreteRouter({numExperts: 4, estimator: 'reinmax'});
 * const choice = router.apply(tf.ones([2, 8]), {training: true}); // one-hot, [2, 4]
 * ```
 */
export function discreteRouter(args: DiscreteRouterArgs): DiscreteRouter {
  return new DiscreteRouter(args);
}
