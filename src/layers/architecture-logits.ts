// The distribution over cells that an architecture search trains: logits for each edge, one draw a forward pass.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import {getEstimator, isKnownOneHot} from '../estimators/registry.js';
import type {Estimator} from '../estimators/types.js';
import {noGradient} from '../ops/no-gradient.js';
import {topKMask} from '../ops/top-k-mask.js';
import {noChoice} from '../random/categorical.js';
import {standardNormal} from '../random/normal.js';
import type {RandomSource} from '../random/random-source.js';
import {
  type ArchitectureLogitsArgs,
  type ResolvedArchitectureArgs,
  resolveArchitectureArgs,
} from './architecture-logits-args.js';
import {layerRandom} from './layer-random.js';
import {SamplerState} from './sampler-state.js';
import {checkChoices, formatArchitecture} from './search/architecture-string.js';
import {cellEdges} from './search/topology.js';
import type {Kwargs} from './tfjs-types.js';

const OWNER = 'ArchitectureLogits';

/**
 * Chooses one operation for each edge of a cell, the same for the whole batch.
 *
 * In training the output is a draw of softmax(logits), one-hot on each edge, with the gradient that the estimator gives it; in inference it
 * is the likeliest operation. Every cell that is given the output makes the same choice in a forward pass, and its gradient adds to theirs:
 *
 *     const choices = architecture.apply(image);
 *     x = searchCell({}).apply([x, choices]);
 *     x = searchCell({}).apply([x, choices]);
 *
 * Input shape: any; the values are not looked at.
 * Output shape: [numEdges, numOperations], float32, without a batch axis.
 * Call arguments: `training`.
 *
 * The layer's weights hold the logits, the temperature and the number of training calls so far, so that a saved model resumes on the same
 * noise.
 *
 * Reference: Dong and Yang, Searching for a Robust Neural Architecture in Four GPU Hours (GDAS), 2019. https://arxiv.org/abs/1910.04465
 */
export class ArchitectureLogits extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'ArchitectureLogits';

  readonly #args: ResolvedArchitectureArgs;
  readonly #numEdges: number;
  readonly #estimate: Estimator;
  readonly #isHard: boolean;
  readonly #sampler: SamplerState;
  #logits: tfl.LayerVariable | undefined;
  #drawn: {choices: readonly number[]; random: RandomSource} | undefined;
  #held: readonly number[] | undefined;
  #known: readonly number[] | undefined;

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: ArchitectureLogitsArgs = {}) {
    super(args);
    this.#args = resolveArchitectureArgs(OWNER, args);
    this.#numEdges = cellEdges(this.#args.numNodes).length;
    this.#estimate = getEstimator(this.#args.estimator);
    this.#isHard = isKnownOneHot(this.#args.estimator);
    this.#sampler = new SamplerState(OWNER, this.#args);
  }

  /** Nodes of the cells, input and output included. */
  get numNodes(): number {
    return this.#args.numNodes;
  }

  /** The operations' names, in the order of the output's last axis. */
  get operationNames(): readonly string[] {
    return this.#args.operationNames;
  }

  /** float32 [numEdges, numOperations], trained; edges in the order 0>1, 0>2, 1>2, 0>3, ... */
  get logits(): tfl.LayerVariable {
    this.#sampler.assertBuilt('logits');
    return this.#logits!;
  }

  /** The temperature in force; writing it is how `AnnealTemperature` changes it. Refuses what is not positive and finite. */
  get temperature(): number {
    return this.#sampler.temperature;
  }

  set temperature(value: number) {
    this.#sampler.temperature = value;
  }

  /** How many draws there have been. */
  get step(): number {
    return this.#sampler.step;
  }

  /**
   * The choices behind the last output where they were known before it: those of `draw` and `hold`, unless the estimator relaxes them (of a
   * function of one's own that is not known). A backend that keeps its tensors on a device cannot be asked for others without waiting for it.
   */
  get knownChoices(): readonly number[] | undefined {
    return this.#known;
  }

  /**
   * Draws the choices of the next training call ahead of it. Needed where the backend keeps its tensors on a device (webgl, webgpu), since a
   * cell must know what was drawn to evaluate that alone: `model.fit(x, y, {callbacks: {onBatchBegin: async () => {await architecture.draw();}}})`.
   *
   * @returns The operation's index on each edge.
   */
  async draw(): Promise<number[]> {
    this.#sampler.assertBuilt('draw');
    let random!: RandomSource;
    const sample = tf.tidy(() => {
      random = this.#sampler.nextStep();
      return this.#sample({random});
    });
    const choices = await this.#argmaxOfRows(sample);
    this.#drawn = {choices, random: random.split(1)}; // the noise that the draw took is not drawn again
    return choices;
  }

  /**
   * Holds the choices of all calls, in training and in inference, until `release`: to evaluate or to train one cell of the many. The
   * gradient of the logits is then the estimator's, given this draw.
   *
   * @param choices The operation's index on each edge, in the order 0>1, 0>2, 1>2, 0>3, ...
   * @throws ValueError for another number of them, and for an index that is no operation's.
   */
  hold(choices: readonly number[]): void {
    checkChoices(`${OWNER}.hold`, choices, this.#numEdges, this.operationNames.length);
    this.#held = [...choices];
  }

  /** Lets calls draw again. */
  release(): void {
    this.#held = undefined;
  }

  /** softmax(logits): for each edge the probability of each operation. */
  async probabilities(): Promise<number[][]> {
    const probs = tf.tidy(() => tf.softmax(this.#readLogits('probabilities')));
    const values = await probs.data();
    probs.dispose();
    return this.#rows(values, row => Array.from(row));
  }

  /** The likeliest operation of each edge, by its index; the first of equal ones. */
  async likeliest(): Promise<number[]> {
    return this.#argmaxOfRows(tf.clone(this.#readLogits('likeliest')));
  }

  /** The likeliest cell in the form of NAS-Bench-201, `|op~0|+|op~0|op~1|+...`. */
  async architecture(): Promise<string> {
    return formatArchitecture(await this.likeliest(), this.operationNames);
  }

  override build(): void {
    const addWeight = this.addWeight.bind(this);
    this.#sampler.build(this, (name, shape, dtype, initializer, trainable) =>
      addWeight(name, shape, dtype, initializer, undefined, trainable),
    );
    const shape = [this.#numEdges, this.operationNames.length];
    this.#logits = addWeight('logits', shape, 'float32', tfl.initializers.zeros());
    const {seed, initialDeviation} = this.#args;
    tf.tidy(() => {
      const noise = standardNormal(shape, layerRandom(seed, `${this.#sampler.scope}/logits`).atStep(0));
      this.#logits!.write(tf.mul(noise, initialDeviation));
    });
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: Kwargs = {}): tf.Tensor {
    return tf.tidy(() => {
      this.invokeCallHook(inputs, kwargs);
      if (kwargs?.training === true) return this.#choose();
      this.#known = this.#held;
      return this.#held ? this.#oneHot(this.#held) : this.#decide();
    });
  }

  override computeOutputShape(): tfl.Shape {
    return [this.#numEdges, this.operationNames.length];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {estimator, seed, operationNames, ...plain} = this.#args;
    if (typeof estimator === 'function') {
      throw new ValueError(
        `${OWNER}: estimator is ${show(estimator)}, which cannot be saved. Name one of the registry to save the model.`,
      );
    }
    return {
      ...super.getConfig(),
      ...plain,
      // tfjs changes the spelling of strings, but not of those under `name`.
      operations: operationNames.map(name => ({name})),
      estimator: estimator as tf.serialization.ConfigDictValue,
      seed: seed ?? null,
    };
  }

  /** The output of training. */
  #choose(): tf.Tensor2D {
    const fixed = this.#held ?? this.#drawn?.choices;
    const random = this.#held === undefined && this.#drawn ? this.#drawn.random : this.#sampler.nextStep();
    if (this.#held === undefined) this.#drawn = undefined;
    this.#known = this.#isHard ? fixed : undefined; // a relaxed sample is not the choice that it is given
    return this.#sample({random, given: fixed && this.#oneHot(fixed)});
  }

  #sample(options: {random: RandomSource; given?: tf.Tensor | undefined}): tf.Tensor2D {
    const {given, random} = options;
    const {sample} = this.#sampler.named(() =>
      this.#estimate(this.#logits!.read(), {temperature: this.temperature, random, ...(given && {given})}),
    );
    return sample as tf.Tensor2D;
  }

  /** The output of inference. */
  #decide(): tf.Tensor2D {
    return noGradient(() => topKMask(this.#logits!.read(), 1, row => this.#refuseRow(row))) as tf.Tensor2D;
  }

  #oneHot(choices: readonly number[]): tf.Tensor2D {
    const numOperations = this.operationNames.length;
    const values = new Float32Array(choices.length * numOperations);
    choices.forEach((choice, edge) => {
      values[edge * numOperations + choice] = 1;
    });
    return tf.tensor2d(values, [choices.length, numOperations]);
  }

  #readLogits(method: string): tf.Tensor {
    this.#sampler.assertBuilt(method);
    return this.#logits!.read();
  }

  /** Reads a tensor [edges, operations], of which it disposes. */
  async #argmaxOfRows(tensor: tf.Tensor): Promise<number[]> {
    try {
      return this.#rows(await tensor.data(), (row, edge) => {
        const most = Math.max(...row); // NaN where there is one
        return Number.isFinite(most) ? row.indexOf(most) : this.#refuseRow(edge);
      });
    } finally {
      tensor.dispose();
    }
  }

  #rows<T>(values: Float32Array | Int32Array | Uint8Array, map: (row: Float32Array, edge: number) => T): T[] {
    const width = this.operationNames.length;
    return Array.from({length: this.#numEdges}, (_, e) =>
      map(Float32Array.from(values.subarray(e * width, (e + 1) * width)), e),
    );
  }

  #refuseRow(row: number): never {
    throw new ValueError(noChoice(`${OWNER} "${this.#sampler.scope}"`, row));
  }
}
tf.serialization.registerClass(ArchitectureLogits);

/**
 * Makes the logits that a search trains: one distribution over cells, shared by all cells that are given its output.
 *
 * @param args All have defaults: cells of four nodes with the operations of NAS-Bench-201, trained by ReinMax at temperature 1.
 * @returns The layer; see `ArchitectureLogits`.
 * @throws ValueError for arguments out of range.
 * @example
 * ```ts
 * const image = tf.input({shape: [32, 32, 3]});
 * const choices = architectureLogits({estimator: 'reinmax', seed: 1}).apply(image) as tf.SymbolicTensor; // [6, 5]
 * ```
 */
export function architectureLogits(args: ArchitectureLogitsArgs = {}): ArchitectureLogits {
  return new ArchitectureLogits(args);
}
