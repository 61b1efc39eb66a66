// The router of a sparse mixture: logits from the tokens, a routing by name, and what balances it.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {ValueError} from '../errors.js';
import {kHot} from '../ops/k-hot.js';
import {noGradient} from '../ops/no-gradient.js';
import {sumOf} from '../ops/sum-of.js';
import {toFloat} from '../ops/to-float.js';
import type {RandomSource} from '../random/random-source.js';
import {cosineLogits} from '../router/cosine-logits.js';
import type {NoisyRouting} from '../router/noisy-top-k-routing.js';
import type {Assignment, Routing} from '../router/types.js';
import {serializeInitializer} from './initializers.js';
import {singleShape, singleTensor} from './layer-input.js';
import type {MixtureRouter} from './mixture-router.js';
import {RouterCore, STREAM} from './router-core.js';
import {SelectionBias} from './selection-bias.js';
import {type ResolvedSparseRouterArgs, resolveSparseRouterArgs, type SparseRouterArgs} from './sparse-router-args.js';
import type {Kwargs} from './tfjs-types.js';
import {tokenMask, withoutPadding} from './token-mask.js';

/** Width of the projection behind cosine logits, and where its temperature starts: Tutel's. */
const COSINE = {width: 256, logTemperature: Math.log(1 / 0.5)};

/** What a call of `route` is told. */
export interface RouteCall {
  training: boolean;
  /** float32 [T], 0 for padding. */
  mask: tf.Tensor1D | undefined;
  /** The axes of the input before its features; their product is T. */
  leading: number[];
  /** C, for routers whose experts choose. */
  capacity: number | undefined;
  /** Gives the choices their places; `random` is the order's in training. */
  assign: (routing: Routing, random: RandomSource | undefined) => Assignment;
}

/**
 * Chooses topK of numExperts experts for each row of its input, and says with which weight each counts.
 *
 * Input shape: [..., features], rank 2 or more.
 * Output shape: [..., numExperts], float32: the weights of the chosen experts, zeros elsewhere and for padding.
 * Call arguments: `training`, and `mask` of shape [...], the input's without its last axis.
 *
 * In training it adds its auxiliary losses to the model's and counts, as `DiscreteRouter` does. With `biasUpdateRate` it holds the bias of
 * the selection and the counts of the step at hand, and moves the bias once a step, before the first call of the next.
 */
export class SparseRouter extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'SparseRouter';

  readonly #args: ResolvedSparseRouterArgs;
  readonly #mixtureRouter: MixtureRouter;
  readonly #core: RouterCore;
  #width = 0;
  #cosine: {projection: tfl.LayerVariable; centroids: tfl.LayerVariable; logTemperature: tfl.LayerVariable} | undefined;
  #noiseKernel: tfl.LayerVariable | undefined;
  #selectionBias: SelectionBias | undefined;

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: SparseRouterArgs) {
    super(args);
    const resolved = resolveSparseRouterArgs(args);
    this.#args = resolved.args;
    this.#mixtureRouter = resolved.mixtureRouter;
    this.#core = new RouterCore('GumbelMoE', this.#args);
    this.supportsMasking = true;
    this.addLoss(() => this.#core.takeLosses());
  }

  /** E, the number of experts. */
  get numExperts(): number {
    return this.#args.numExperts;
  }

  /** K, how many are chosen. */
  get topK(): number {
    return this.#args.topK;
  }

  /** The temperature in force, of a router that has one. */
  get temperature(): number {
    return this.#core.temperature;
  }

  set temperature(value: number) {
    this.#core.temperature = value;
  }

  /** How many training calls the layer has seen. */
  get step(): number {
    return this.#core.step;
  }

  /** Sums over the valid training tokens since they were last set to zero; `routerMetrics` reads them. */
  get statistics(): tfl.LayerVariable {
    return this.#core.statistics;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const {numExperts, kernelInitializer, logits, biasUpdateRate} = this.#args;
    const isCosine = logits === 'cosine';
    const width = this.#core.build(
      this,
      inputShape,
      (name, shape, dtype, initializer, trainable) =>
        this.addWeight(name, shape, dtype, initializer, undefined, trainable),
      !isCosine,
    );
    this.#width = width;
    if (isCosine) {
      const start = tfl.initializers.constant({value: COSINE.logTemperature});
      this.#cosine = {
        projection: this.#core.addKernel('projection', [width, COSINE.width], kernelInitializer, 1),
        centroids: this.#core.addKernel('centroids', [COSINE.width, numExperts], kernelInitializer, 2),
        logTemperature: this.addWeight('log_temperature', [], 'float32', start),
      };
    }
    if (this.#mixtureRouter.learnsNoise) {
      this.#noiseKernel = this.addWeight('noise_kernel', [width, numExperts], 'float32', tfl.initializers.zeros());
    }
    if (biasUpdateRate > 0) {
      this.#selectionBias = new SelectionBias(name => this.#core.addState(name, [numExperts]), biasUpdateRate);
    }
    this.#checkOptions();
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const input = singleTensor(inputs);
      this.#core.checkInput(input, this.#width);
      const leading = input.shape.slice(0, -1);
      const outputShape = [...leading, this.numExperts];
      const numRows = input.size / this.#width;
      if (numRows === 0) return tf.zeros(outputShape);
      const mask = tokenMask(kwargs, input.shape);
      const tokens = withoutPadding(tf.reshape(toFloat(input), [numRows, this.#width]), mask);
      const none = {numExperts: this.numExperts, capacity: 0};
      const {routing} = this.route(tokens, {
        training: kwargs?.training === true,
        mask,
        leading,
        capacity: Math.ceil((this.topK * numRows) / this.numExperts),
        assign: ({indices}) => ({...none, experts: indices, positions: indices}), // every choice has a place, whichever
      });
      return tf.reshape(weightsByExpert(routing, this.numExperts), outputShape);
    });
  }

  /**
   * Routes tokens [T, D] without padding's values, and gives them their places.
   *
   * @internal
   */
  route(
    tokens: tf.Tensor2D,
    {training, mask, leading, capacity, assign}: RouteCall,
  ): {routing: Routing; assignment: Assignment} {
    const random = training ? this.#core.nextStep() : undefined;
    const bias = this.#selectionBias?.ofStep(training);
    const seen = random ? this.#core.jittered(tokens, random) : tokens;
    const logits = this.#logits(seen);
    const routing = this.#core.named(() =>
      this.#mixtureRouter.route(logits, {
        topK: this.topK,
        training,
        temperature: this.temperature,
        tokens,
        ...(mask && {mask}),
        ...(random && {random: random.split(STREAM.draw)}),
        ...(bias && {bias}),
        ...(this.#noiseKernel && {noiseLogits: tf.matMul<tf.Tensor2D>(seen, this.#noiseKernel.read() as tf.Tensor2D)}),
        ...(capacity !== undefined && {capacity}),
      }),
    );
    const assignment = routing.assignment ?? assign(routing, random?.split(STREAM.order));
    if (!random) return {routing, assignment};
    const chosen = noGradient(() => kHot(routing.indices, this.numExperts));
    this.#selectionBias?.count(chosen);
    const dropped = noGradient(() => {
      const isPlaced = tf.greaterEqual(assignment.experts, tf.scalar(0, 'int32'));
      return tf.sub<tf.Scalar>(tf.sum(chosen), tf.sum(toFloat(isPlaced)));
    });
    const {noisyLogits, noiseStd}: NoisyRouting = routing;
    const noise = noisyLogits && noiseStd !== undefined ? {noise: {noisyLogits, noiseStd}} : {};
    const outcome = {logits, probs: routing.probs, assignment: chosen, mask, leading, dropped, ...noise};
    return {routing: {...routing, weights: this.#core.settle(routing.weights, outcome, random)}, assignment};
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return [...singleShape(inputShape).slice(0, -1), this.numExperts];
  }

  override computeMask(_inputs: tf.Tensor | tf.Tensor[], mask?: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return (mask === undefined || mask === null ? null : singleTensor(mask)) as tf.Tensor;
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {router, kernelInitializer, seed, ...plain} = this.#args;
    if (typeof router === 'function') {
      throw new ValueError('GumbelMoE: router is a function, which cannot be saved. Name one to save the model.');
    }
    return {
      ...super.getConfig(),
      ...plain,
      router: router as tf.serialization.ConfigDictValue,
      kernelInitializer: serializeInitializer(kernelInitializer),
      seed: seed ?? null,
    };
  }

  /** Frees, beside the weights, what a step that broke off may have left. */
  protected override disposeWeights(): number {
    this.#core.dispose();
    return super.disposeWeights();
  }

  /** Routes no tokens, so that a router of ours refuses its options now and not in the first step. */
  #checkOptions(): void {
    if (typeof this.#args.router === 'function') return;
    tf.tidy(() => {
      const none = (width: number) => tf.zeros<tf.Rank.R2>([0, width]);
      const context = {topK: this.topK, temperature: this.temperature, tokens: none(this.#width), capacity: 1};
      this.#core.named(() => this.#mixtureRouter.route(none(this.numExperts), context));
    });
  }

  #logits(tokens: tf.Tensor2D): tf.Tensor2D {
    if (!this.#cosine) return this.#core.logits(tokens);
    const {projection, centroids, logTemperature} = this.#cosine;
    return this.#core.withBias(
      cosineLogits(
        tokens,
        projection.read() as tf.Tensor2D,
        centroids.read() as tf.Tensor2D,
        logTemperature.read() as tf.Scalar,
      ),
    );
  }
}
tf.serialization.registerClass(SparseRouter);

/** The weights of the choices, at their experts: [T, E]. */
function weightsByExpert({indices, weights}: Routing, numExperts: number): tf.Tensor2D {
  const [rows, choices] = indices.shape;
  return sumOf(
    Array.from({length: choices}, (_, j) => {
      const chosen = noGradient(() => kHot(tf.slice(indices, [0, j], [rows, 1]), numExperts));
      return tf.mul<tf.Tensor2D>(chosen, tf.slice(weights, [0, j], [rows, 1]));
    }),
  );
}
