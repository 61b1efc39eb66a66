// The block that cells of a search are made of: ReLU, convolution, batch normalisation.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkBoolean, checkCount, checkOneOf, checkPositive, checkRange, show, ValueError} from '../errors.js';
import {batchNormalize} from '../ops/batch-normalize.js';
import {toFloat} from '../ops/to-float.js';
import {seeded} from '../random/random-source.js';
import {resolveInitializer, serializeInitializer} from './initializers.js';
import {singleShape, singleTensor} from './layer-input.js';
import {layerRandom, scopeOf} from './layer-random.js';
import type {InitializerIdentifier, Kwargs, LayerArgs} from './tfjs-types.js';

const OWNER = 'ConvolutionBlock';

/** Arguments of `convolutionBlock`. */
export interface ConvolutionBlockArgs extends LayerArgs {
  /** Channels of the output, at least 1. */
  filters: number;
  /** Pixels of a side of the filter, at least 1. An even one reaches a pixel further to the right and down, as in every 'same' of tfjs. */
  kernelSize: number;
  /** Pixels from one window to the next, in both directions, at least 1. Default 1. */
  strides?: number;
  /** What is applied to the input: 'relu', or 'linear' for nothing. Default 'relu'. */
  activation?: 'relu' | 'linear';
  /** Whether the normalised channels have a learned factor and a learned shift. Default false. */
  affine?: boolean;
  /** What of the moving statistics stays at each training call, from 0 to 1. Default 0.9. */
  momentum?: number;
  /** Added to variances, above 0. Default 1e-5. */
  epsilon?: number;
  /** Initializer of the kernel [kernelSize, kernelSize, channels, filters]. Default 'heNormal'. */
  kernelInitializer?: InitializerIdentifier;
  /** Makes the initial kernel a function of the seed and the layer's name, where its initializer is named. Default: different each time. */
  seed?: number | null;
}

/** The weights, once the layer is built; gamma and beta where it is affine. */
interface Weights {
  kernel: tfl.LayerVariable;
  gamma: tfl.LayerVariable | undefined;
  beta: tfl.LayerVariable | undefined;
  movingMean: tfl.LayerVariable;
  movingVariance: tfl.LayerVariable;
}

/**
 * ReLU, convolution and batch normalisation in one layer, as the cells of NAS-Bench-201 have them.
 *
 * With y = conv(relu(x), kernel), padded so that every pixel has a window ('same') and without a bias, the output is
 * gamma (y - mean) / sqrt(variance + epsilon) + beta for each channel; without `affine` gamma is 1 and beta is 0. In training the
 * statistics are those of the batch, and the moving ones follow: moving = momentum moving + (1 - momentum) batch's, of the variance too
 * without a correction for the size of the batch. In inference the moving ones stand in. `trainable = false` does not stop them, as with
 * batchNormalization of tfjs.
 *
 * Input shape: [batch, height, width, channels].
 * Output shape: [batch, ceil(height / strides), ceil(width / strides), filters].
 * Call arguments: `training`.
 * Weights: kernel, gamma, beta, moving_mean, moving_variance.
 *
 * Errors: a ValueError for bad arguments and input shapes.
 *
 * Reference: Dong and Yang, NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, 2020.
 * https://arxiv.org/abs/2001.00326
 */
export class ConvolutionBlock extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = OWNER;

  readonly #args: Required<Omit<ConvolutionBlockArgs, keyof LayerArgs>>;
  #weights: Weights | undefined;

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: ConvolutionBlockArgs) {
    super(args);
    const {filters, kernelSize, strides = 1, activation = 'relu', affine = false} = args;
    const {momentum = 0.9, epsilon = 1e-5, kernelInitializer = 'heNormal', seed = null} = args;
    checkCount(OWNER, 'filters', filters, 1);
    checkCount(OWNER, 'kernelSize', kernelSize, 1);
    checkCount(OWNER, 'strides', strides, 1);
    checkOneOf(OWNER, 'activation', activation, ['relu', 'linear']);
    checkBoolean(OWNER, 'affine', affine);
    checkRange(OWNER, 'momentum', momentum, 0, 1);
    checkPositive(OWNER, 'epsilon', epsilon);
    resolveInitializer(OWNER, 'kernelInitializer', kernelInitializer); // an unknown name is refused here
    if (seed !== null) seeded(seed); // refuses what is no seed
    this.#args = {filters, kernelSize, strides, activation, affine, momentum, epsilon, kernelInitializer, seed};
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const channels = checkImages(singleShape(inputShape))[3]!;
    const {filters, kernelSize, affine, kernelInitializer, seed} = this.#args;
    const {zeros, ones} = tfl.initializers;
    const addVector = (name: string, initializer: ReturnType<typeof zeros>, trainable: boolean) =>
      this.addWeight(name, [filters], 'float32', initializer, undefined, trainable);
    // First what is not trained, which stands behind the rest in any order: seeds need the layer's scope, which a weight tells.
    const movingMean = addVector('moving_mean', zeros(), false);
    const movingVariance = addVector('moving_variance', ones(), false);
    const random = layerRandom(seed ?? undefined, scopeOf(this, movingMean));
    const initializer = resolveInitializer(OWNER, 'kernelInitializer', kernelInitializer, random.childSeed(0));
    this.#weights = {
      kernel: this.addWeight('kernel', [kernelSize, kernelSize, channels, filters], 'float32', initializer),
      gamma: affine ? addVector('gamma', ones(), true) : undefined,
      beta: affine ? addVector('beta', zeros(), true) : undefined,
      movingMean,
      movingVariance,
    };
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const input = singleTensor(inputs);
      checkImages(input.shape);
      if (input.size === 0) return tf.zeros(this.computeOutputShape(input.shape) as number[]);
      const {activation, strides, epsilon} = this.#args;
      const {kernel, movingMean, movingVariance, ...affine} = this.#weights!;
      const x = toFloat(input) as tf.Tensor4D;
      const y = tf.conv2d(activation === 'relu' ? tf.relu(x) : x, kernel.read() as tf.Tensor4D, strides, 'same');
      const [gamma, beta] = [affine.gamma?.read(), affine.beta?.read()] as (tf.Tensor1D | undefined)[];
      if (kwargs?.training !== true) {
        return tf.batchNorm(
          y,
          movingMean.read() as tf.Tensor1D,
          movingVariance.read() as tf.Tensor1D,
          beta,
          gamma,
          epsilon,
        );
      }
      const {normalized, mean, variance} = batchNormalize(y, {epsilon, gamma, beta});
      this.#follow(movingMean, mean);
      this.#follow(movingVariance, variance);
      return normalized;
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const [batch, height, width] = checkImages(singleShape(inputShape));
    const {filters, strides} = this.#args;
    const windows = (size: number | null | undefined) => (size == null ? null : Math.ceil(size / strides));
    return [batch ?? null, windows(height), windows(width), filters];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {kernelInitializer, ...plain} = this.#args;
    return {...super.getConfig(), ...plain, kernelInitializer: serializeInitializer(kernelInitializer)};
  }

  /**
   * The layers of tfjs that the block stands for, not built, to be applied one after the other: reLU unless the activation is 'linear',
   * conv2d and batchNormalization. Without `affine` the last is frozen at the factors 1 and shifts 0 that it has from the start:
   * batchNormalization of tfjs 4.22 cannot train without both.
   */
  toPlainLayers(): tfl.layers.Layer[] {
    const {filters, kernelSize, strides, activation, affine, momentum, epsilon, kernelInitializer} = this.#args;
    const initializer = resolveInitializer(OWNER, 'kernelInitializer', kernelInitializer);
    return [
      ...(activation === 'relu' ? [tfl.layers.reLU()] : []),
      tfl.layers.conv2d({
        ...{filters, kernelSize, strides},
        padding: 'same',
        useBias: false,
        kernelInitializer: initializer,
      }),
      tfl.layers.batchNormalization({momentum, epsilon, trainable: affine}),
    ];
  }

  /**
   * Gives the weights of this layer to what its `toPlainLayers` returned.
   *
   * @param plain Those layers, built by being applied or put into a model.
   * @throws ValueError if this layer or one of those is not built, or they are others.
   */
  copyWeightsTo(plain: readonly tfl.layers.Layer[]): void {
    const {activation, affine} = this.#args;
    const [convolution, normalization] = plain.slice(-2);
    const counts = plain.map(layer => layer.weights.length);
    const expected = activation === 'relu' ? [0, 1, 4] : [1, 4];
    if (this.#weights === undefined || show(counts) !== show(expected)) {
      throw new ValueError(
        `${OWNER}: this layer and the plain ones that toPlainLayers made must be built, with ${show(expected)} weights, ` +
          `but they have ${show(counts)}${this.#weights ? '' : ', and this one is not built'}.`,
      );
    }
    const {kernel, gamma, beta, movingMean, movingVariance} = this.#weights;
    tf.tidy(() => {
      const {filters} = this.#args;
      convolution!.setWeights([kernel.read()]);
      normalization!.setWeights([
        gamma?.read() ?? tf.ones([filters]),
        beta?.read() ?? tf.zeros([filters]),
        movingMean.read(),
        movingVariance.read(),
      ]);
    });
    if (!affine) normalization!.trainable = false; // once more: before they were built, the variables themselves could not hear of it
  }

  /** Moves a moving statistic towards that of a batch. */
  #follow(moving: tfl.LayerVariable, value: tf.Tensor): void {
    const before = moving.read();
    moving.write(tf.sub(before, tf.mul(tf.sub(before, value), 1 - this.#args.momentum)));
  }
}
tf.serialization.registerClass(ConvolutionBlock);

/**
 * Makes a layer of ReLU, convolution and batch normalisation.
 *
 * @param args filters and kernelSize; the rest has defaults.
 * @returns The layer; see `ConvolutionBlock` for shapes and weights.
 * @throws ValueError for arguments out of range.
 * @example
 * ```ts
 * const block = convolutionBlock({filters: 8, kernelSize: 3});
 * const images = block.apply(tf.ones([2, 32, 32, 3]), {training: true}); // [2, 32, 32, 8]
 * ```
 */
export function convolutionBlock(args: ConvolutionBlockArgs): ConvolutionBlock {
  return new ConvolutionBlock(args);
}

/** Refuses a shape that is not [batch, height, width, channels] with known channels, and returns it. */
function checkImages(shape: readonly (number | null)[]): readonly (number | null)[] {
  if (shape.length !== 4 || !shape[3]) {
    throw new ValueError(
      `${OWNER}: input must have shape [batch, height, width, channels] with known channels, but got ${show(shape)}.`,
    );
  }
  return shape;
}
