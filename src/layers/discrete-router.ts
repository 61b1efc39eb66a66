// The layer that chooses: logits from the input, a discrete sample forward, an estimated gradient backward.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import {getEstimator} from '../estimators/registry.js';
import type {Estimator} from '../estimators/types.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {topKMask} from '../ops/top-k-mask.js';
import {noChoice} from '../random/categorical.js';
import {type DiscreteRouterArgs, type ResolvedRouterArgs, resolveRouterArgs} from './discrete-router-args.js';
import {drawChoices} from './draw-choices.js';
import {serializeInitializer} from './initializers.js';
import {singleShape, singleTensor} from './layer-input.js';
import {RouterCore, STREAM} from './router-core.js';
import type {Kwargs} from './tfjs-types.js';
import {tokenMask, withoutPadding} from './token-mask.js';

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
  readonly #core: RouterCore;
  #width = 0;

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: DiscreteRouterArgs) {
    super(args);
    this.#args = resolveRouterArgs(args);
    this.#estimate = getEstimator(this.#args.estimator);
    this.#core = new RouterCore('DiscreteRouter', this.#args);
    this.supportsMasking = true;
    this.addLoss(() => this.#core.takeLosses()); // once: a loss added in `call` would be added again each step
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
    this.#width = this.#core.build(this, inputShape, (name, shape, dtype, initializer, trainable) =>
      this.addWeight(name, shape, dtype, initializer, undefined, trainable),
    );
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const input = singleTensor(inputs);
      this.#core.checkInput(input, this.#width);
      const outputShape = [...input.shape.slice(0, -1), this.#args.numExperts];
      const numRows = input.size / this.#width;
      if (numRows === 0) return tf.zeros(outputShape); // wasm sums over an empty axis to whatever was in memory
      const mask = tokenMask(kwargs, input.shape);
      const tokens = withoutPadding(tf.reshape(toFloat(input), [numRows, this.#width]), mask);
      const choice =
        kwargs?.training === true
          ? this.#sample(tokens, mask, input.shape.slice(0, -1))
          : this.#decide(this.#core.logits(tokens));
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
    this.#core.dispose();
    return super.disposeWeights();
  }

  /** The choice of inference: the topK largest logits. */
  #decide(logits: tf.Tensor2D): tf.Tensor2D {
    return noGradient(() => topKMask(logits, this.#args.topK, row => this.#refuseRow(row))) as tf.Tensor2D;
  }

  /** The choice of training, with its gradient, its losses and its statistics. */
  #sample(tokens: tf.Tensor2D, mask: tf.Tensor1D | undefined, leading: number[]): tf.Tensor2D {
    const random = this.#core.nextStep();
    const logits = this.#core.logits(this.#core.jittered(tokens, random));
    const options = {temperature: this.temperature, random: random.split(STREAM.draw)};
    const {sample, probs, assignment} = this.#core.named(() =>
      drawChoices(this.#estimate, logits, this.#args.topK, options),
    );
    return this.#core.settle(sample, {logits, probs, assignment, mask, leading}, random);
  }

  #refuseRow(row: number): never {
    throw new ValueError(noChoice(`DiscreteRouter "${this.#core.scope}"`, row));
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
