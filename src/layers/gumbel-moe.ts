// Mixture-of-Experts behind a discrete router.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import {sumOf} from '../ops/sum-of.js';
import {toFloat} from '../ops/to-float.js';
import {currentTape} from './auxiliary-loss.js';
import {buildChild, deserializeLayer, nameWeights, type SavedLayer, serializeLayer} from './child-layers.js';
import {DenseMixture} from './dense-mixture.js';
import type {DiscreteRouter} from './discrete-router.js';
import {checkExperts, expertName, expertUnits, ownExpert, refuseBatchStatistics} from './expert-list.js';
import {FeedForwardExpert} from './feed-forward-expert.js';
import {type GumbelMoEArgs, hiddenWidths, type ResolvedMoEArgs, resolveMoEArgs} from './gumbel-moe-args.js';
import {featureWidth, singleShape, singleTensor} from './layer-input.js';
import {layerRandom, scopeOf} from './layer-random.js';
import type {Mixture} from './mixture.js';
import {SparseMixture} from './sparse-mixture.js';
import type {SparseRouter} from './sparse-router.js';
import type {Kwargs} from './tfjs-types.js';
import {tokenMask, withoutPadding} from './token-mask.js';

/**
 * A Mixture-of-Experts layer whose router makes a discrete choice.
 *
 * With `compute: 'dense'`, output = sum over experts e of D_e * expert_e(input) / topK, with D the router's choice. In training all experts
 * are evaluated, since the gradient of D needs each one's output, and the estimator turns it into the gradient of the router's logits. In
 * inference each row goes through its topK experts only, on backends that keep their tensors on the host (cpu, wasm, tfjs-node), and the
 * choice is the topK largest logits.
 *
 * With `compute: 'sparse'`, output = sum over the choices j that have a place of w_j * expert_j(input), with w_j the router's weight of the
 * choice, and only the chosen experts are evaluated, in training too. A token all of whose choices were dropped gives zeros, so that a
 * residual connection passes it on. Rows that the mask marks as padding give zeros and take no place.
 *
 * Input shape: [..., features], rank 2 or more.
 * Output shape: [..., units].
 * Call arguments: `training`, and `mask` of shape [...], the input's without its last axis.
 *
 * Weights are named `router/...` and `expert_<i>/...`. The experts' regularization losses are counted once a step, however often the layer
 * is used in it.
 */
export class GumbelMoE extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'GumbelMoE';

  /** The experts, in the order of the choice's last axis. */
  readonly experts: readonly tfl.layers.Layer[];

  readonly #args: ResolvedMoEArgs;
  readonly #mixture: Mixture;
  readonly #seed: number | undefined;
  #units: number | undefined;
  #scope = '';
  #weightsWhenBuilt: tfl.LayerVariable[] = [];
  #countedTape: object | null = null;

  constructor(args: GumbelMoEArgs) {
    super(args);
    this.#args = resolveMoEArgs(args);
    const {router, expert, sparse} = this.#args;
    this.#seed = args.seed ?? undefined;
    const {numExperts} = router;
    this.experts = args.experts == null ? this.#makeExperts(numExperts) : checkExperts(args.experts, numExperts);
    if (sparse) this.experts.forEach(refuseBatchStatistics);
    this.experts.forEach(ownExpert);
    this.#mixture = sparse
      ? new SparseMixture(router, sparse, expert, this.experts, this.#kernelSeed('shared_expert'))
      : new DenseMixture(router, this.experts);
    this.supportsMasking = true;
    this.addLoss(() => this.#childLosses());
  }

  /**
   * The layer that chooses. Applied to an input it gives the choice itself, [..., numExperts]: zeros and ones with `compute: 'dense'`, the
   * weights of the chosen experts with 'sparse'.
   */
  get router(): DiscreteRouter | SparseRouter {
    return this.#mixture.router;
  }

  /** The router's temperature in force; see `DiscreteRouter`. */
  get temperature(): number {
    return this.router.temperature;
  }

  set temperature(value: number) {
    this.router.temperature = value;
  }

  /** How many training calls the layer has seen. */
  get step(): number {
    return this.router.step;
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const width = featureWidth('GumbelMoE', inputShape);
    buildChild(this.router, [null, width]);
    this.#scope = scopeOf(this, this.router.statistics).replace(/\/router$/, '');
    const units = this.experts.map((expert, i) => {
      buildChild(expert, [null, width]);
      nameWeights(`${this.name}/${expertName(i)}/`, expert);
      return expertUnits(i, expert, width);
    });
    if (new Set(units).size > 1) {
      throw new ValueError(`GumbelMoE: all experts must have the same number of units, but got ${show(units)}.`);
    }
    this.#units = units[0]!;
    this.#mixture.build(width, this.#units);
    // The getters below say which weights there are; these are for a model that sets the flags of its layers' variables.
    const {trainable} = this;
    this.trainable = true;
    this._trainableWeights = this.trainableWeights;
    this.#weightsWhenBuilt = this.weights;
    this.trainable = trainable;
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      const input = singleTensor(inputs);
      const units = this.#units!;
      const leading = input.shape.slice(0, -1);
      const outputShape = [...leading, units];
      const width = input.shape[input.rank - 1]!;
      const numRows = input.size / width;
      if (numRows === 0) return tf.zeros(outputShape);
      const mask = tokenMask(kwargs, input.shape);
      const tokens = withoutPadding(tf.reshape(toFloat(input), [numRows, width]), mask);
      const training = kwargs?.training === true;
      const apply = (expert: tfl.layers.Layer, rows: tf.Tensor2D, isReal?: tf.Tensor1D) => {
        const masked = isReal && expert.supportsMasking ? {mask: isReal} : {};
        return singleTensor(expert.apply(rows, {training, ...masked}) as tf.Tensor | tf.Tensor[]) as tf.Tensor2D;
      };
      return tf.reshape(this.#mixture.call(tokens, {training, mask, leading, apply}), outputShape);
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return [...singleShape(inputShape).slice(0, -1), this.#units!]; // tfjs asks after `build`
  }

  override computeMask(inputs: tf.Tensor | tf.Tensor[], mask?: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return this.router.computeMask(inputs, mask);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {name, trainable, dtype, ...router} = this.router.getConfig();
    const {expert, sparse} = this.#args;
    return {
      ...router,
      ...sparse,
      ...super.getConfig(),
      ...expert,
      trainableChildren: this.#children().map(child => child.trainable),
      experts: expert.hiddenUnits === null ? this.experts.map(serializeLayer) : null,
    } as tf.serialization.ConfigDict;
  }

  /** Rebuilds a layer, and its experts, from what `getConfig` gave. */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    const {experts, trainableChildren, ...rest} = config;
    const saved = experts as unknown as SavedLayer[] | null | undefined;
    const rebuilt =
      saved == null ? {} : {experts: saved.map(expert => deserializeLayer('GumbelMoE', 'experts', expert))};
    const layer = new cls({...rest, ...rebuilt} as never);
    const children = (layer as unknown as GumbelMoE).#children();
    (trainableChildren as boolean[] | undefined)?.forEach((trainable, i) => {
      children[i]!.trainable = trainable;
    });
    return layer;
  }

  /** Those of the router, then those of the experts in order; none where the layer is not trainable. */
  override get trainableWeights(): tfl.LayerVariable[] {
    return this.trainable ? this.#children().flatMap(child => child.trainableWeights) : [];
  }

  /** What is not trained: where the layer is not trainable, all, in the same order as if it were. */
  override get nonTrainableWeights(): tfl.LayerVariable[] {
    return this.trainable ? this.#children().flatMap(child => child.nonTrainableWeights) : this.#weightsWhenBuilt;
  }

  /** Loading a model skips the initializers of all its layers; the children are told, too. */
  override setFastWeightInitDuringBuild(value: boolean): void {
    super.setFastWeightInitDuringBuild(value);
    for (const child of this.#children()) child.setFastWeightInitDuringBuild(value);
  }

  /** The children hold the weights, and more than weights: each frees its own. */
  protected override disposeWeights(): number {
    let disposed = 0;
    const errors: unknown[] = [];
    for (const child of this.#children()) {
      try {
        disposed += child.dispose().numDisposedVariables;
      } catch (error) {
        errors.push(error); // that one was disposed before; the others must not stay for it
      }
    }
    if (errors.length > 0) throw errors[0];
    return disposed;
  }

  #makeExperts(numExperts: number): tfl.layers.Layer[] {
    const {hiddenUnits, units, activation, gated} = this.#args.expert;
    return Array.from({length: numExperts}, (_, i) => {
      const kernelSeed = this.#kernelSeed(expertName(i));
      return new FeedForwardExpert({hiddenUnits: hiddenWidths(hiddenUnits!), units, activation, gated, kernelSeed});
    });
  }

  /** Each expert has a stream of its own: with one seed for all they would start equal, and stay so. */
  #kernelSeed(name: string): (kernel: number) => number | undefined {
    return kernel => layerRandom(this.#seed, `${this.#scope}/${name}`).childSeed(kernel);
  }

  #children(): tfl.layers.Layer[] {
    // Undefined while the base class is being constructed.
    return this.#mixture === undefined ? [] : [this.router, ...this.experts, ...this.#mixture.extras];
  }

  /** The router's losses of this step, and the experts' own; those once a step, where tfjs asks once for each use of the layer. */
  #childLosses(): tf.Scalar {
    const losses: tf.Scalar[] = this.router.calculateLosses();
    const tape = currentTape();
    if (tape === null || tape !== this.#countedTape) {
      this.#countedTape = tape;
      losses.push(...this.experts.flatMap(expert => expert.calculateLosses()));
    }
    return sumOf(losses) as tf.Scalar;
  }
}
tf.serialization.registerClass(GumbelMoE);

/**
 * Makes a Mixture-of-Experts layer: a discrete router, trained through its choice by an estimator, and the experts that it chooses from.
 *
 * @param args numExperts, and either hiddenUnits for built-in experts or experts of your own; the rest has defaults.
 * @returns The layer; see `GumbelMoE` for shapes, losses and masks.
 * @throws ValueError for arguments that do not fit together.
 * @example
 * ```ts
 * const moe = gumbelMoE({numExperts: 8, hiddenUnits: 64, inputShape: [32]});
 * const model = tf.sequential({layers: [moe, tf.layers.dense({units: 1})]});
 * model.compile({optimizer: 'adam', loss: 'meanSquaredError'});
 * ```
 */
export function gumbelMoE(args: GumbelMoEArgs): GumbelMoE {
  return new GumbelMoE(args);
}
