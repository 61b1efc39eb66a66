// Soft mixture of experts as a layer (Puigcerver, Riquelme, Mustafa and Houlsby 2023, https://arxiv.org/abs/2308.00951).
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkBoolean, checkCount, show, ValueError} from '../errors.js';
import {toFloat} from '../ops/to-float.js';
import {seeded} from '../random/random-source.js';
import {softMoEWeights} from '../router/soft-moe.js';
import {buildChild} from './child-layers.js';
import {ownExpert} from './expert-list.js';
import {stackOutputs} from './expert-stack.js';
import {FeedForwardExpert} from './feed-forward-expert.js';
import {hiddenWidths} from './gumbel-moe-args.js';
import {singleShape, singleTensor} from './layer-input.js';
import {layerRandom, scopeOf} from './layer-random.js';
import type {Kwargs, LayerArgs} from './tfjs-types.js';
import {tokenMask, withoutPadding} from './token-mask.js';

/** Arguments of `softMoE`. */
export interface SoftMoEArgs extends LayerArgs {
  /** E, the number of experts, at least 1. */
  numExperts: number;
  /** P, how many weighted means of the tokens each expert reads, at least 1. Default 1. */
  slotsPerExpert?: number;
  /** Width or widths of the experts' hidden layers. */
  hiddenUnits: number | number[];
  /** Width of the output. Default: the input's. */
  units?: number;
  /** Activation of the hidden layers, as tfjs names it. Default 'relu'. */
  activation?: string;
  /** Whether a hidden layer is activation(x . gate) * (x . kernel). Default false. */
  gated?: boolean;
  /** Makes initial weights a function of the seed and the layer's name. Default: different each time. */
  seed?: number;
}

/**
 * A Mixture-of-Experts without a discrete choice: each expert reads P weighted means of a sequence's tokens, and each token is a weighted mean
 * of what all experts made of theirs. Differentiable throughout, balanced by construction, at the cost of E P rows a sequence.
 *
 * Not causal: a token's output depends on the whole sequence. Not for autoregressive models.
 *
 * Input shape: [batch, sequence, features].
 * Output shape: [batch, sequence, units].
 * Call arguments: `mask` of shape [batch, sequence]; padding is in no mean and gives zeros.
 *
 * Reference: Puigcerver et al., From Sparse to Soft Mixtures of Experts, 2023. https://arxiv.org/abs/2308.00951
 */
export class SoftMoE extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'SoftMoE';

  /** The experts, in the order of their slots. */
  get experts(): readonly tfl.layers.Layer[] {
    return this.#experts;
  }

  readonly #experts: readonly FeedForwardExpert[];

  readonly #args: Required<Omit<SoftMoEArgs, keyof LayerArgs | 'units' | 'seed'>> & {
    units: number | null;
    seed: number | null;
  };
  #scope = '';
  #phi!: tfl.LayerVariable;
  #scale!: tfl.LayerVariable;

  constructor(args: SoftMoEArgs) {
    super(args);
    const {numExperts, slotsPerExpert = 1, hiddenUnits, activation = 'relu', gated = false} = args;
    const [units, seed] = [args.units ?? null, args.seed ?? null];
    checkCount('SoftMoE', 'numExperts', numExperts, 1);
    checkCount('SoftMoE', 'slotsPerExpert', slotsPerExpert, 1);
    for (const width of hiddenWidths(hiddenUnits)) checkCount('SoftMoE', 'hiddenUnits', width, 1);
    if (units !== null) checkCount('SoftMoE', 'units', units, 1);
    checkBoolean('SoftMoE', 'gated', gated);
    if (seed !== null) seeded(seed); // refuses what is no seed
    this.#args = {numExperts, slotsPerExpert, hiddenUnits, units, activation, gated, seed};
    this.#experts = Array.from({length: numExperts}, (_, i) => {
      const kernelSeed = (kernel: number) =>
        layerRandom(seed ?? undefined, `${this.#scope}/expert_${i}`).childSeed(kernel);
      return new FeedForwardExpert({hiddenUnits: hiddenWidths(hiddenUnits), units, activation, gated, kernelSeed});
    });
    this.#experts.forEach(ownExpert);
    this.supportsMasking = true;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shape = singleShape(inputShape);
    const width = shape[2];
    if (shape.length !== 3 || width == null) {
      throw new ValueError(
        `SoftMoE: input must have shape [batch, sequence, features] with known features, but got ${show(shape)}.`,
      );
    }
    const {numExperts, slotsPerExpert, seed} = this.#args;
    this.#scale = this.addWeight('scale', [], 'float32', tfl.initializers.ones());
    this.#scope = scopeOf(this, this.#scale);
    const phiSeed = layerRandom(seed ?? undefined, this.#scope).childSeed(0);
    const normal = tfl.initializers.leCunNormal(phiSeed === undefined ? {} : {seed: phiSeed});
    this.#phi = this.addWeight('phi', [width, numExperts * slotsPerExpert], 'float32', normal);
    for (const expert of this.#experts) {
      buildChild(expert, [null, width]);
      this._trainableWeights.push(...expert.trainableWeights);
    }
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const tokens = toFloat(singleTensor(inputs)) as tf.Tensor3D;
      const [batch, length, width] = tokens.shape;
      const {numExperts, slotsPerExpert} = this.#args;
      const units = this.#args.units ?? width;
      if (batch * length === 0) return tf.zeros([batch, length, units]);
      const flat = tokenMask(kwargs, tokens.shape);
      const mask = flat && tf.reshape<tf.Rank.R2>(flat, [batch, length]);
      const weights = softMoEWeights(
        tokens,
        this.#phi.read() as tf.Tensor2D,
        this.#scale.read() as tf.Scalar,
        mask ? {mask} : {},
      );
      const real = flat ? withoutPaddingOf(tokens, flat) : tokens;
      const means = tf.matMul(weights.dispatch, real, true, false); // [B, E P, D]
      const byExpert = tf.transpose(tf.reshape(means, [batch, numExperts, slotsPerExpert, width]), [1, 0, 2, 3]);
      const numRows = batch * slotsPerExpert;
      const rows = tf.reshape<tf.Rank.R2>(byExpert, [numExperts * numRows, width]);
      const outputs = stackOutputs(this.#experts, rows, new Array<number>(numExperts).fill(numRows));
      const bySequence = tf.transpose(tf.reshape(outputs, [numExperts, batch, slotsPerExpert, units]), [1, 0, 2, 3]);
      return tf.matMul(
        weights.combine,
        tf.reshape<tf.Rank.R3>(bySequence, [batch, numExperts * slotsPerExpert, units]),
      );
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const shape = singleShape(inputShape);
    return [...shape.slice(0, -1), this.#args.units ?? shape[shape.length - 1]!];
  }

  override computeMask(_inputs: tf.Tensor | tf.Tensor[], mask?: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return (mask === undefined || mask === null ? null : singleTensor(mask)) as tf.Tensor;
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), ...this.#args} as tf.serialization.ConfigDict;
  }

  /** Frees the experts' weights with the layer's own. */
  protected override disposeWeights(): number {
    const ofExperts = this.#experts.reduce((sum, expert) => sum + expert.dispose().numDisposedVariables, 0);
    this.#phi.dispose();
    this.#scale.dispose();
    return ofExperts + 2;
  }
}
tf.serialization.registerClass(SoftMoE);

/** The tokens of [B, S, D] with zeros for padding. */
function withoutPaddingOf(tokens: tf.Tensor3D, mask: tf.Tensor1D): tf.Tensor3D {
  const [batch, length, width] = tokens.shape;
  const rows = withoutPadding(tf.reshape(tokens, [batch * length, width]), mask);
  return tf.reshape(rows, [batch, length, width]);
}

/**
 * Makes a soft mixture of experts.
 *
 * @param args numExperts and hiddenUnits; the rest has defaults.
 * @returns The layer; see `SoftMoE` for shapes and masks.
 * @throws ValueError for arguments out of range.
 * @example
 * ```ts
 * const soft = softMoE({numExperts: 4, slotsPerExpert: 2, hiddenUnits: 32});
 * soft.apply(tf.ones([2, 16, 8])).shape; // => [2, 16, 8]
 * ```
 */
export function softMoE(args: SoftMoEArgs): SoftMoE {
  return new SoftMoE(args);
}
