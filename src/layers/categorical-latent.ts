// The layer of a discrete VAE: logits become draws of categorical variables, whose divergence from the prior joins the loss.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import {getEstimator} from '../estimators/registry.js';
import type {Estimator} from '../estimators/types.js';
import {klToUniform} from '../ops/kl-to-uniform.js';
import {noGradient} from '../ops/no-gradient.js';
import {toFloat} from '../ops/to-float.js';
import {topKMask} from '../ops/top-k-mask.js';
import {noChoice} from '../random/categorical.js';
import {AuxiliaryLossQueue, injectLoss} from './auxiliary-loss.js';
import {type CategoricalLatentArgs, type ResolvedLatentArgs, resolveLatentArgs} from './categorical-latent-args.js';
import {singleShape, singleTensor} from './layer-input.js';
import {SamplerState} from './sampler-state.js';
import type {Kwargs} from './tfjs-types.js';

/**
 * numLatents independent categorical variables of numCategories categories each.
 *
 * The input holds the logits of each variable, one variable after another. In training the output is a draw of softmax(logits), one-hot for
 * each variable, with the gradient that the estimator gives it; in inference it is the likeliest category. In training the layer adds
 * klWeight * KL(softmax(logits) || uniform) to the model's loss, in nats, summed over the variables (and over all axes between the first
 * and the last), and averaged over the batch.
 *
 * Input shape: [batch, ..., numLatents * numCategories], logits.
 * Output shape: the same, float32: a one for each variable (a relaxed sample for `gumbelSoftmax`).
 * Call arguments: `training`.
 *
 * The added loss is no part of `evaluate`. The layer's weights hold the temperature and the number of training calls so far, so that a saved
 * model resumes on the same noise. A mask is not looked at: padding counts in the divergence. `calculateLosses` gives the loss of a step
 * once: a custom loop that needs it twice must keep it.
 *
 * Errors: a ValueError for bad arguments and input shapes, and for logits with NaN or Infinity on backends that keep their tensors on the
 * host (cpu, wasm, tfjs-node); on others the output of such a row is NaN, never a silent choice.
 *
 * Reference: Jang, Gu and Poole, Categorical Reparameterization with Gumbel-Softmax, 2017. https://arxiv.org/abs/1611.01144
 */
export class CategoricalLatent extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'CategoricalLatent';

  readonly #args: ResolvedLatentArgs;
  readonly #estimate: Estimator;
  readonly #sampler: SamplerState;
  readonly #losses = new AuxiliaryLossQueue();

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: CategoricalLatentArgs) {
    super(args);
    this.#args = resolveLatentArgs(args);
    this.#estimate = getEstimator(this.#args.estimator);
    this.#sampler = new SamplerState('CategoricalLatent', this.#args);
    this.addLoss(() => this.#losses.take()); // once: a loss added in `call` would be added again each step
  }

  /** How many variables. */
  get numLatents(): number {
    return this.#args.numLatents;
  }

  /** How many categories each of them has. */
  get numCategories(): number {
    return this.#args.numCategories;
  }

  /** The temperature in force; writing it is how `AnnealTemperature` changes it. Refuses what is not positive and finite. */
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

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    this.#checkShape(singleShape(inputShape));
    this.#sampler.build(this, (name, shape, dtype, initializer, trainable) =>
      this.addWeight(name, shape, dtype, initializer, undefined, trainable),
    );
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const input = singleTensor(inputs);
      this.#checkShape(input.shape);
      if (input.size === 0) return tf.zeros(input.shape);
      const logits = tf.reshape(toFloat(input), [-1, this.numCategories]);
      const codes = kwargs?.training === true ? this.#sample(logits, input.shape[0]!) : this.#decide(logits);
      return tf.reshape(codes, input.shape);
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {estimator, seed, ...plain} = this.#args;
    if (typeof estimator === 'function') {
      throw new ValueError(
        `CategoricalLatent: estimator is ${show(estimator)}, which cannot be saved. Name one of the registry to save the model.`,
      );
    }
    return {
      ...super.getConfig(),
      ...plain,
      estimator: estimator as tf.serialization.ConfigDictValue,
      seed: seed ?? null,
    };
  }

  /** Frees, beside the weights, what a step that broke off may have left. */
  protected override disposeWeights(): number {
    this.#losses.dispose();
    return super.disposeWeights();
  }

  /** The draw of training, with its gradient and its loss. */
  #sample(logits: tf.Tensor, batch: number): tf.Tensor {
    const random = this.#sampler.nextStep();
    const {sample} = this.#sampler.named(() => this.#estimate(logits, {temperature: this.temperature, random}));
    const {klWeight, auxLoss} = this.#args;
    if (klWeight === 0) return sample;
    const loss = tf.mul(tf.sum(klToUniform(logits)), klWeight / batch) as tf.Scalar;
    if (auxLoss === 'inject') return injectLoss(sample, loss);
    this.#losses.push(loss);
    return sample;
  }

  /** The choice of inference: the largest logit of each variable. */
  #decide(logits: tf.Tensor): tf.Tensor {
    return noGradient(() =>
      topKMask(logits, 1, row => {
        throw new ValueError(noChoice(`CategoricalLatent "${this.#sampler.scope}"`, row));
      }),
    );
  }

  #checkShape(shape: readonly (number | null)[]): void {
    const width = this.numLatents * this.numCategories;
    if (shape.length < 2 || shape[shape.length - 1] !== width) {
      throw new ValueError(
        `CategoricalLatent: input must have shape [batch, ..., numLatents * numCategories] = [..., ${width}], but got ${show(shape)}.`,
      );
    }
  }
}
tf.serialization.registerClass(CategoricalLatent);

/**
 * Makes a layer of categorical latent variables, as a discrete VAE has between its encoder and its decoder.
 *
 * @param args numLatents and numCategories; the rest has defaults.
 * @returns The layer; see `CategoricalLatent` for shapes and the loss it adds.
 * @throws ValueError for arguments out of range.
 * @example
 * ```ts
 * const latent = categoricalLatent({numLatents: 4, numCategories: 8, estimator: 'reinmax', temperature: 1.3});
 * const codes = latent.apply(tf.zeros([2, 32]), {training: true}); // four ones a row
 * ```
 */
export function categoricalLatent(args: CategoricalLatentArgs): CategoricalLatent {
  return new CategoricalLatent(args);
}
