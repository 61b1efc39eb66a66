// The layer that joins two nodes of a tree into their parent.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkCount, show, ValueError} from '../errors.js';
import {toFloat} from '../ops/to-float.js';
import {composePair} from '../ops/tree-lstm.js';
import {seeded} from '../random/random-source.js';
import {serializeInitializer} from './initializers.js';
import {layerRandom, scopeOf} from './layer-random.js';
import {resolveMatrixInitializer} from './orthogonal.js';
import type {InitializerIdentifier, Kwargs, LayerArgs} from './tfjs-types.js';

const OWNER = 'BinaryTreeLSTM';

/** Arguments of `binaryTreeLSTM`. */
export interface BinaryTreeLSTMArgs extends LayerArgs {
  /** U, the width of a hidden vector and of a cell, at least 1. */
  units: number;
  /** Initializer of the kernel [2 U, 5 U]. Default 'orthogonal': `orthogonalMatrix`, not tfjs' own. */
  kernelInitializer?: InitializerIdentifier;
  /** Initializer of the bias [5 U]. Default 'zeros'. */
  biasInitializer?: InitializerIdentifier;
  /** Makes initial weights a function of the seed and the layer's name, where their initializers are named. Default: different each time. */
  seed?: number | null;
}

/** The weights of a `BinaryTreeLSTM`. */
export interface BinaryTreeLSTMVariables {
  /** [2 U, 5 U]. */
  kernel: tf.Tensor2D;
  /** [5 U]. */
  bias: tf.Tensor1D;
}

/**
 * The state of a node, its hidden vector and then its cell, from those of its left and right child.
 *
 * With [i, fl, fr, u, o] = [left hidden, right hidden] . kernel + bias,
 * cell = left cell sigmoid(fl + 1) + right cell sigmoid(fr + 1) + tanh(u) sigmoid(i) and hidden = sigmoid(o) tanh(cell).
 *
 * Input shape: two of [batch, ..., 2 units], the left child's and the right child's, of one shape.
 * Output shape: the same, once.
 *
 * Errors: a ValueError for bad arguments, for anything but two inputs, and for inputs of other or of different shapes.
 *
 * Reference: Tai, Socher and Manning, Improved Semantic Representations From Tree-Structured Long Short-Term Memory Networks, 2015.
 * https://arxiv.org/abs/1503.00075. The constant 1 of the forget gates is that of Choi, Yoo and Lee, 2018. https://arxiv.org/abs/1707.02786
 */
export class BinaryTreeLSTM extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = OWNER;

  readonly #args: Required<Omit<BinaryTreeLSTMArgs, keyof LayerArgs>>;
  #kernel: tfl.LayerVariable | undefined;
  #bias: tfl.LayerVariable | undefined;

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: BinaryTreeLSTMArgs) {
    super(args);
    const {units, kernelInitializer = 'orthogonal', biasInitializer = 'zeros', seed = null} = args;
    checkCount(OWNER, 'units', units, 1);
    if (seed !== null) seeded(seed); // refuses what is no seed
    resolveMatrixInitializer(OWNER, 'kernelInitializer', kernelInitializer); // an unknown name is refused here
    resolveMatrixInitializer(OWNER, 'biasInitializer', biasInitializer);
    this.#args = {units, kernelInitializer, biasInitializer, seed};
  }

  /** U, the width of a hidden vector and of a cell. */
  get units(): number {
    return this.#args.units;
  }

  /** The weights as they are now, to compute with; they stay the layer's. There once the layer is built. */
  get variables(): BinaryTreeLSTMVariables {
    if (this.#kernel === undefined || this.#bias === undefined) {
      throw new ValueError(
        `${OWNER}: variables are there once the layer is built. Call it, or put it into a model, first.`,
      );
    }
    return {kernel: this.#kernel.read() as tf.Tensor2D, bias: this.#bias.read() as tf.Tensor1D};
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    checkPair(inputShape as tfl.Shape[], 2 * this.units);
    const {units, seed} = this.#args;
    const biasShape = [5 * units];
    // The bias first, as zeros: seeds need the layer's scope, which a weight tells. Then both in the order of Keras.
    const bias = this.addWeight('bias', biasShape, 'float32', tfl.initializers.zeros());
    const random = layerRandom(seed ?? undefined, scopeOf(this, bias));
    const initializer = (field: 'kernelInitializer' | 'biasInitializer', index: number) =>
      resolveMatrixInitializer(OWNER, field, this.#args[field], random.childSeed(index));
    this.#kernel = this.addWeight('kernel', [2 * units, 5 * units], 'float32', initializer('kernelInitializer', 0));
    tf.tidy(() => {
      bias.write(initializer('biasInitializer', 1).apply(biasShape));
    });
    this.#bias = bias;
    this._trainableWeights.reverse();
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const tensors = Array.isArray(inputs) ? inputs : [inputs];
      checkPair(
        tensors.map(({shape}) => shape),
        2 * this.units,
      );
      const [left, right] = tensors.map(toFloat) as [tf.Tensor, tf.Tensor];
      const {kernel, bias} = this.variables;
      return composePair(left, right, kernel, bias);
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return checkPair(inputShape as tfl.Shape[], 2 * this.units);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {units, kernelInitializer, biasInitializer, seed} = this.#args;
    return {
      ...super.getConfig(),
      units,
      kernelInitializer: serializeInitializer(kernelInitializer),
      biasInitializer: serializeInitializer(biasInitializer),
      seed,
    };
  }
}
tf.serialization.registerClass(BinaryTreeLSTM);

/**
 * Makes a layer that joins two nodes of a tree into their parent.
 *
 * @param args units; the rest has defaults.
 * @returns The layer; see `BinaryTreeLSTM` for shapes.
 * @throws ValueError for arguments out of range.
 * @example
 * ```ts
 * const join = binaryTreeLSTM({units: 4, seed: 1});
 * join.apply([tf.ones([2, 8]), tf.ones([2, 8])]).shape; // => [2, 8]
 * ```
 */
export function binaryTreeLSTM(args: BinaryTreeLSTMArgs): BinaryTreeLSTM {
  return new BinaryTreeLSTM(args);
}

/** The one shape of two nodes' states, where what one does not know yet is the other's; refuses anything else. */
function checkPair(shapes: readonly tfl.Shape[], width: number): tfl.Shape {
  const [left, right] = shapes;
  const isState = (shape: tfl.Shape) => Array.isArray(shape) && shape.length >= 2 && shape[shape.length - 1] === width;
  if (shapes.length !== 2 || !isState(left!) || !isState(right!)) {
    throw new ValueError(
      `${OWNER}: inputs must be two, left and right, of shape [batch, ..., 2 units] = [..., ${width}], but got ${show(shapes)}.`,
    );
  }
  const fits = left!.every((length, axis) => [length, right![axis]].includes(null) || length === right![axis]);
  if (left!.length !== right!.length || !fits) {
    throw new ValueError(`${OWNER}: left and right must have one shape, but got ${show(left)} and ${show(right)}.`);
  }
  return left!.map((length, axis) => length ?? right![axis]!);
}
