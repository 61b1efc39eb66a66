// A sentence as a tree that the layer chooses itself, merge by merge.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import {getEstimator, isKnownOneHot} from '../estimators/registry.js';
import type {Estimator} from '../estimators/types.js';
import {isOnHost} from '../ops/host-read.js';
import {lstmSequence} from '../ops/lstm-sequence.js';
import {noGradient} from '../ops/no-gradient.js';
import {countTokens} from './latent-tree/count-tokens.js';
import {mergeOnHost} from './latent-tree/merge-on-host.js';
import {mergeOnTape} from './latent-tree/merge-on-tape.js';
import {noTrees} from './latent-tree/no-trees.js';
import type {MergeDraws, MergedLeaves} from './latent-tree/types.js';
import {type LatentTreeEncoderArgs, type ResolvedTreeArgs, resolveTreeArgs} from './latent-tree-encoder-args.js';
import {singleShape, singleTensor} from './layer-input.js';
import {orthogonalMatrix} from './orthogonal.js';
import {SamplerState} from './sampler-state.js';
import type {Kwargs} from './tfjs-types.js';
import {tokenMask} from './token-mask.js';

/**
 * Merges the vectors of a sentence, two neighbours at a time, into one vector, by an order that is learned from what that vector is good for.
 *
 * A leaf's hidden vector and cell come from an LSTM over the inputs (or a dense map). At each step every pair of neighbours is composed by
 * a binary Tree-LSTM, cell = cl sigmoid(fl + 1) + cr sigmoid(fr + 1) + sigmoid(i) tanh(u), hidden = sigmoid(o) tanh(cell), and scored by
 * query . hidden / sqrt(units). In training one pair is drawn from the softmax of the scores, with the gradient that the estimator gives
 * the draw; in inference the pair of the highest score is taken. It becomes one node, until one node is left, whose hidden vector is the output.
 *
 * Input shape: [batch, length, features]. Output shape: [batch, units].
 * Call arguments: `training`, `mask` ([batch, length], as an embedding with `maskZero` makes it): padding stands at the right of a sentence and
 * does not change its result; a sentence that is all padding gives zeros.
 *
 * On backends that keep their tensors on the host (cpu, wasm, tfjs-node) a pair is composed once and not at each step anew, with the same
 * values and gradients: about 3 length compositions a sentence instead of length^2 / 2. Relaxed estimators and estimators that are functions of
 * one's own, and all on GPUs, go through the textbook form.
 *
 * Errors: a ValueError for bad arguments and input shapes, for a mask with padding before a token, and for scores of NaN or Infinity, the
 * latter two on backends that keep their tensors on the host.
 *
 * Reference: Choi, Yoo and Lee, Learning to Compose Task-Specific Tree Structures, 2018. https://arxiv.org/abs/1707.02786
 */
export class LatentTreeEncoder extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'LatentTreeEncoder';

  readonly #args: ResolvedTreeArgs;
  readonly #estimate: Estimator;
  readonly #sampler: SamplerState;
  #leafKernel!: tfl.LayerVariable;
  #leafBias!: tfl.LayerVariable;
  #recurrentKernel: tfl.LayerVariable | undefined;
  #kernel!: tfl.LayerVariable;
  #bias!: tfl.LayerVariable;
  #query!: tfl.LayerVariable;

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: LatentTreeEncoderArgs) {
    super(args);
    this.supportsMasking = true;
    this.#args = resolveTreeArgs(args);
    this.#estimate = getEstimator(this.#args.estimator);
    this.#sampler = new SamplerState('LatentTreeEncoder', this.#args);
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
    const shape = singleShape(inputShape);
    this.#checkShape(shape, null);
    const {units, leaf} = this.#args;
    const features = shape[2]!;
    this.#sampler.build(this, (name, shape, dtype, initializer, trainable) =>
      this.addWeight(name, shape, dtype, initializer, undefined, trainable),
    );
    const {initializers} = tfl;
    const withSeed = (index: number) => {
      const seed = this.#sampler.childSeed(index);
      return seed === undefined ? {} : {seed};
    };
    const orthogonal = (index: number) => orthogonalMatrix(withSeed(index));
    const add = (name: string, shape: number[], initializer: ReturnType<typeof initializers.zeros>) =>
      this.addWeight(name, shape, 'float32', initializer);
    const leafWidth = leaf === 'lstm' ? 4 * units : 2 * units;
    this.#leafKernel = add('leaf_kernel', [features, leafWidth], initializers.heNormal(withSeed(0)));
    this.#leafBias = add('leaf_bias', [leafWidth], initializers.zeros());
    if (leaf === 'lstm') {
      this.#recurrentKernel = add('leaf_recurrent_kernel', [units, 4 * units], orthogonal(1));
      // The forget gate begins open.
      tf.tidy(() => {
        this.#leafBias.write(tf.concat([tf.zeros([units]), tf.ones([units]), tf.zeros([2 * units])]));
      });
    }
    this.#kernel = add('kernel', [2 * units, 5 * units], orthogonal(2));
    this.#bias = add('bias', [5 * units], initializers.zeros());
    this.#query = add('query', [units], initializers.randomNormal({stddev: 0.01, ...withSeed(3)}));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const input = singleTensor(inputs) as tf.Tensor3D;
      this.#checkInput(input);
      const draws = kwargs?.training === true ? this.#draws() : undefined;
      return this.#encode(input, tokenMask(kwargs, input.shape), draws).hidden;
    });
  }

  /**
   * What inference makes of sentences, with the trees that it chooses.
   *
   * @param inputs What the layer is called with, [batch, length, features].
   * @param mask [batch, length], as in `call`. Default: no padding.
   * @returns Two tensors, owned by the caller. `hidden`: float32 [batch, units], the output of `call`. `merges`: int32 [batch, length - 1], the
   *   i-th merge of a sentence joins the entry at this position and its right neighbour, counted from 0 in what is left of the sentence; -1
   *   beyond the last merge.
   */
  parse(inputs: tf.Tensor3D, mask?: tf.Tensor2D): MergedLeaves {
    this.#sampler.assertBuilt('parse');
    return tf.tidy(() => {
      this.#checkInput(inputs);
      return this.#encode(inputs, tokenMask(mask && {mask}, inputs.shape), undefined);
    });
  }

  /** The output has no axis of time left. */
  override computeMask(): tf.Tensor | tf.Tensor[] {
    return null as unknown as tf.Tensor; // as tfjs' own layers do, against their declared type
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return [singleShape(inputShape)[0]!, this.#args.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {estimator, seed, ...plain} = this.#args;
    if (typeof estimator === 'function') {
      throw new ValueError(
        `LatentTreeEncoder: estimator is ${show(estimator)}, which cannot be saved. Name one of the registry to save the model.`,
      );
    }
    return {
      ...super.getConfig(),
      ...plain,
      estimator: estimator as tf.serialization.ConfigDictValue,
      seed: seed ?? null,
    };
  }

  #draws(): MergeDraws {
    return {estimate: this.#estimate, temperature: this.temperature, random: this.#sampler.nextStep()};
  }

  #encode(input: tf.Tensor3D, mask: tf.Tensor1D | undefined, draws: MergeDraws | undefined): MergedLeaves {
    const [batch, length] = input.shape;
    if (batch === 0 || length === 0) return noTrees(batch, length, this.#args.units);
    const lengths = noGradient(() => countTokens(mask, batch, length));
    const weights = {
      kernel: this.#kernel.read() as tf.Tensor2D,
      bias: this.#bias.read() as tf.Tensor1D,
      query: this.#query.read() as tf.Tensor1D,
    };
    const merge = isOnHost() && isKnownOneHot(this.#args.estimator) ? mergeOnHost : mergeOnTape;
    return this.#sampler.named(() => merge(this.#leaves(input), lengths, weights, draws ? {draws} : {}));
  }

  /** Hidden vector and cell of each leaf, [batch, length, 2 units]. Padding comes last, so that the LSTM has not met it where it matters. */
  #leaves(input: tf.Tensor3D): tf.Tensor3D {
    const [batch, length, features] = input.shape;
    const {units} = this.#args;
    const [timeFirst, width] = this.#recurrentKernel ? [true, 4 * units] : [false, 2 * units];
    const ordered = timeFirst ? tf.transpose(input, [1, 0, 2]) : input;
    const rows = tf.reshape(ordered, [batch * length, features]) as tf.Tensor2D;
    const projected = tf.add(tf.matMul(rows, this.#leafKernel.read() as tf.Tensor2D), this.#leafBias.read());
    if (!this.#recurrentKernel) return tf.reshape(projected, [batch, length, width]);
    const states = lstmSequence(
      tf.reshape(projected, [length, batch, width]),
      this.#recurrentKernel.read() as tf.Tensor2D,
    );
    return tf.transpose(states, [1, 0, 2]);
  }

  #checkInput({shape}: tf.Tensor): void {
    this.#checkShape(shape, (this.#leafKernel.shape as number[])[0]!);
  }

  #checkShape(shape: readonly (number | null)[], features: number | null): void {
    if (shape.length !== 3 || shape[2] == null || (features !== null && shape[2] !== features)) {
      throw new ValueError(
        `LatentTreeEncoder: input must have shape [batch, length, features] = [any, any, ${features ?? 'any known'}], but got ${show(shape)}.`,
      );
    }
  }
}
tf.serialization.registerClass(LatentTreeEncoder);

/**
 * Makes a layer that encodes a sentence by a tree of its own choice.
 *
 * @param args units; the rest has defaults.
 * @returns The layer; see `LatentTreeEncoder` for shapes and masks.
 * @throws ValueError for arguments out of range.
 * @example
 * ```ts
 * const encoder = latentTreeEncoder({units: 32, estimator: 'reinmax', temperature: 1.1});
 * const sentences = encoder.apply(tf.zeros([2, 7, 16]), {training: true}); // [2, 32]
 * ```
 */
export function latentTreeEncoder(args: LatentTreeEncoderArgs): LatentTreeEncoder {
  return new LatentTreeEncoder(args);
}
