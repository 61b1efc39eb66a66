// A cell that chooses its own operations, as an architecture search trains it.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkShape, show, ValueError} from '../errors.js';
import {isOnHost} from '../ops/host-read.js';
import {sumOf} from '../ops/sum-of.js';
import {toFloat} from '../ops/to-float.js';
import {ArchitectureLogits} from './architecture-logits.js';
import {resolveArchitectureArgs} from './architecture-logits-args.js';
import {buildChild} from './child-layers.js';
import {checkChoices} from './search/architecture-string.js';
import {deserializeCandidates, type SavedOperation, serializeCandidates} from './search/candidates.js';
import {cellPicture} from './search/cell-picture.js';
import {type DerivedArchitecture, deriveCell} from './search/derive-cell.js';
import {type CellOperations, makeCellOperations} from './search/edge-operations.js';
import {readChoices} from './search/read-choices.js';
import {runChosen, runWeighted} from './search/run-cell.js';
import {cellEdges} from './search/topology.js';
import {ownLogitsArgs, type ResolvedCellArgs, resolveCellArgs, type SearchCellArgs} from './search-cell-args.js';
import type {Kwargs} from './tfjs-types.js';

const OWNER = 'SearchCell';

/**
 * A small network whose operations are chosen: node 0 is the input, node j = sum over i < j of operation_(i, j)(node i), the last is the output.
 *
 * The operation of each edge is chosen among candidates, once a forward pass for the whole batch: by the cell's own logits, or, where the cell is
 * called with two tensors, by the second, the output of `architectureLogits`, which several cells may be given. In training the choice is a draw
 * of softmax(logits) whose gradient an estimator gives; in inference it is the likeliest. Only what was chosen is evaluated, and only where the
 * output depends on it (see `unsampled` for the exception): the other operations cost nothing and keep their weights and statistics as they are.
 *
 * Input shape: [batch, ..., features] (images [batch, height, width, channels] for the operations of NAS-Bench-201), or that and the choices,
 *   [numEdges, numOperations].
 * Output shape: that of the operations; the input's for those of NAS-Bench-201.
 * Call arguments: `training`.
 *
 * Weights are named `edge_<from>_<to>_<operation>/...`, and `architecture/logits` where they are the cell's own. An operation that was not drawn
 * gets no gradient (null in tfjs' lists), and no optimizer moves it in that step, by momentum or by weight decay neither; a regularizer of its own
 * is a loss of its weights, and acts in every step. While the layer that chooses is not `trainable`, the gradient of the choice is not computed,
 * which spares an alternating search its cost in the steps of the weights.
 *
 * On backends that keep their tensors on a device (webgl, webgpu) the choices of training must be known beforehand: call
 * `await architecture.draw()` before each step, or use `unsampled: 'computed'`. A relaxed estimator (`gumbelSoftmax`) weighs the outputs of all
 * operations, and needs 'computed', too.
 *
 * Reference: Dong and Yang, Searching for a Robust Neural Architecture in Four GPU Hours (GDAS), 2019. https://arxiv.org/abs/1910.04465
 */
export class SearchCell extends tfl.layers.Layer {
  /** The name under which tfjs saves and finds the class. */
  static readonly className = 'SearchCell';

  readonly #args: ResolvedCellArgs;
  #own: ArchitectureLogits | undefined;
  #cell: CellOperations | undefined;
  #weightsWhenBuilt: tfl.LayerVariable[] = [];
  #fastInit = false;

  /** Checks the arguments; weights are made when the layer is built. */
  constructor(args: SearchCellArgs = {}) {
    super(args);
    this.#args = resolveCellArgs(args);
    resolveArchitectureArgs(OWNER, ownLogitsArgs(this.#args)); // refused here, not when the cell is built
    this.addLoss(() => this.#childLosses());
  }

  /** Nodes of the cell, input and output included. */
  get numNodes(): number {
    return this.#args.numNodes;
  }

  /** The names of the operations that each edge chooses from. */
  get operationNames(): readonly string[] {
    return this.#args.candidates.map(({name}) => name);
  }

  /**
   * The layer that chooses: the cell's own, or, within a model, the one whose output it is given. Undefined for a cell that was only ever called
   * with tensors of choices.
   */
  get architecture(): ArchitectureLogits | undefined {
    if (this.#own !== undefined) return this.#own;
    const given = this.inboundNodes[0]?.inboundLayers[1];
    return given instanceof ArchitectureLogits ? given : undefined;
  }

  /** The layers of an operation on an edge, applied in turn: to look at, and to give weights to. Empty for 'none' and 'skip_connect'. */
  layersOf(edge: number, operation: number): readonly tfl.layers.Layer[] {
    const found = this.#built().operations[edge]?.[operation];
    if (found === undefined) {
      throw new ValueError(
        `${OWNER}.layersOf: the cell has ${this.#built().operations.length} edges and ${this.operationNames.length} operations, ` +
          `but got edge ${show(edge)}, operation ${show(operation)}.`,
      );
    }
    return found.layers;
  }

  /**
   * The cell without its search: a tfjs model of the likeliest operations, with copies of their weights.
   *
   * @param choices The operation's index on each edge, in place of the likeliest.
   * @returns The choices, their form in NAS-Bench-201, and a model from the cell's input to its output, owned by the caller.
   * @throws ValueError if the cell is not built, or knows no architecture and got no choices.
   */
  async deriveArchitecture(choices?: readonly number[]): Promise<DerivedArchitecture> {
    const cell = this.#built();
    const chosen = choices ?? (await this.#searched('deriveArchitecture').likeliest());
    checkChoices(`${OWNER}.deriveArchitecture`, chosen, cell.operations.length, this.operationNames.length);
    return deriveCell(cell, chosen, this.operationNames);
  }

  /** @ignore For `deriveModel`: the operations, and the likeliest of each edge. */
  async searched(): Promise<{cell: CellOperations; choices: readonly number[]}> {
    return {cell: this.#built(), choices: await this.#searched('deriveModel').likeliest()};
  }

  /** The cell as a drawing, an SVG: its edges with the probabilities of their operations, the likeliest in bold. */
  async picture(): Promise<string> {
    const architecture = this.#searched('picture');
    return cellPicture({operations: this.operationNames, probabilities: await architecture.probabilities()});
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    const shapes = (Array.isArray(inputShape[0]) ? inputShape : [inputShape]) as tfl.Shape[];
    const {numNodes, candidates, affine, seed} = this.#args;
    this.#checkInputs(shapes);
    if (shapes.length === 1) {
      this.#own = new ArchitectureLogits(ownLogitsArgs(this.#args));
      this.#own.setFastWeightInitDuringBuild(this.#fastInit);
      buildChild(this.#own, shapes[0]!);
    }
    const options = {owner: OWNER, name: this.name, numNodes, candidates, affine, seed, fastInit: this.#fastInit};
    this.#cell = makeCellOperations(shapes[0]!, options);
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
      const tensors = Array.isArray(inputs) ? inputs : [inputs];
      this.#checkInputs(tensors.map(({shape}) => shape));
      const input = toFloat(tensors[0]!);
      const cell = this.#built();
      const training = kwargs?.training === true;
      const choice = (this.#own ? this.#own.apply(input, {training}) : tensors[1]!) as tf.Tensor2D;
      if (input.size === 0) return tf.zeros(outputShapeOf(cell, input.shape[0]!) as number[]);
      const choices = readChoices(choice, this.architecture?.knownChoices);
      const {unsampled} = this.#args;
      const isSearching =
        training && (this.architecture?.trainable ?? true) && (this.trainable || this.#own === undefined);
      if (choices !== undefined) return runChosen(input, {cell, choice, training, isSearching}, choices, unsampled);
      if (training && unsampled !== 'computed') this.#refuseUnknown();
      return runWeighted(input, {cell, choice, training, isSearching});
    });
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    const batch = (Array.isArray(inputShape[0]) ? inputShape[0][0] : inputShape[0]) as number | null;
    return outputShapeOf(this.#built(), batch); // tfjs asks after `build`
  }

  override getConfig(): tf.serialization.ConfigDict {
    const {candidates, estimator, temperature, seed, ...plain} = this.#args;
    if (typeof estimator === 'function') {
      throw new ValueError(
        `${OWNER}: estimator is ${show(estimator)}, which cannot be saved. Name one of the registry to save the model.`,
      );
    }
    return {
      ...super.getConfig(),
      ...plain,
      operations: serializeCandidates(candidates) as unknown as tf.serialization.ConfigDictArray,
      estimator: (estimator ?? null) as tf.serialization.ConfigDictValue,
      temperature: temperature ?? null,
      seed: seed ?? null,
    };
  }

  /** Rebuilds a layer, and the operations that it chooses from, from what `getConfig` gave. */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    const operations = deserializeCandidates(config.operations as unknown as SavedOperation[]);
    return new cls({...config, operations} as never);
  }

  /** Those of the cell's own logits, then those of the operations, edge by edge; none where the layer is not trainable. */
  override get trainableWeights(): tfl.LayerVariable[] {
    return this.trainable ? this.#children().flatMap(child => child.trainableWeights) : [];
  }

  /** What is not trained: where the layer is not trainable, all, in the same order as if it were. */
  override get nonTrainableWeights(): tfl.LayerVariable[] {
    return this.trainable ? this.#children().flatMap(child => child.nonTrainableWeights) : this.#weightsWhenBuilt;
  }

  /** Loading a model skips the initializers of all its layers; the children are told when they are made. */
  override setFastWeightInitDuringBuild(value: boolean): void {
    super.setFastWeightInitDuringBuild(value);
    this.#fastInit = value;
  }

  /** The children hold the weights, and each frees its own. */
  protected override disposeWeights(): number {
    return this.#children().reduce((sum, child) => sum + child.dispose().numDisposedVariables, 0);
  }

  #built(): CellOperations {
    if (this.#cell === undefined) {
      throw new ValueError(`${OWNER} "${this.name}" is not built. Call it, or put it into a model, first.`);
    }
    return this.#cell;
  }

  #searched(method: string): ArchitectureLogits {
    this.#built();
    const {architecture} = this;
    if (architecture === undefined) {
      throw new ValueError(
        `${OWNER}.${method}: the cell was called with a tensor of choices, and knows no layer that they come from.`,
      );
    }
    return architecture;
  }

  #children(): tfl.layers.Layer[] {
    // Undefined while the base class is being constructed.
    const operations = this.#cell?.operations.flat().flatMap(({layers}) => layers) ?? [];
    return this.#own ? [this.#own, ...operations] : operations;
  }

  /** The losses of the operations' own regularizers. */
  #childLosses(): tf.Scalar {
    const losses: tf.Scalar[] = this.#children().flatMap(child => child.calculateLosses());
    return losses.length > 0 ? (sumOf(losses) as tf.Scalar) : tf.scalar(0);
  }

  #checkInputs(shapes: readonly tfl.Shape[]): void {
    const {numNodes, candidates, estimator, temperature} = this.#args;
    const expected = this.built ? (this.#own ? 1 : 2) : undefined;
    if (shapes.length < 1 || shapes.length > 2 || (expected !== undefined && shapes.length !== expected)) {
      const wanted =
        expected === undefined
          ? 'the input, or the input and the choices'
          : expected === 1
            ? 'the input alone, as it was built'
            : 'the input and the choices, as it was built';
      throw new ValueError(`${OWNER} "${this.name}": must be called with ${wanted}, but got ${shapes.length} tensors.`);
    }
    const [shape, choices] = shapes as [tfl.Shape, tfl.Shape | undefined];
    if (shape.length < 2 || shape.slice(1).some(length => length == null)) {
      throw new ValueError(
        `${OWNER} "${this.name}": input must have shape [batch, ..., features], all but the batch known, but got ${show(shape)}.`,
      );
    }
    if (choices === undefined) return;
    const numEdges = cellEdges(numNodes).length;
    checkShape(OWNER, 'choices', choices, [numEdges, candidates.length], '[numEdges, numOperations]');
    if (estimator !== undefined || temperature !== undefined) {
      throw new ValueError(
        `${OWNER} "${this.name}": is given its choices, and takes no estimator or temperature. Give them to architectureLogits.`,
      );
    }
  }

  #refuseUnknown(): never {
    const {unsampled} = this.#args;
    throw new ValueError(
      isOnHost()
        ? `${OWNER} "${this.name}": unsampled (="${unsampled}") needs one-hot choices, but got others. With a relaxed estimator take 'computed'.`
        : `${OWNER} "${this.name}": what the backend "${tf.getBackend()}" drew is not known here. Call \`await architecture.draw()\` before each ` +
            `step, with a one-hot estimator of the registry, or take unsampled: 'computed'.`,
    );
  }
}
tf.serialization.registerClass(SearchCell);

function outputShapeOf({shapes}: CellOperations, batch: number | null): tfl.Shape {
  return [batch, ...shapes[shapes.length - 1]!.slice(1)];
}

/**
 * Makes a cell whose edges choose among candidate operations, trained through the choice by an estimator.
 *
 * @param args All have defaults: four nodes, the operations of NAS-Bench-201, logits of its own.
 * @returns The layer; see `SearchCell` for shapes, calls and gradients.
 * @throws ValueError for arguments out of range.
 * @example
 * ```ts
 * const image = tf.input({shape: [32, 32, 16]});
 * const choices = architectureLogits().apply(image) as tf.SymbolicTensor;
 * const first = searchCell().apply([image, choices]) as tf.SymbolicTensor;
 * const second = searchCell().apply([first, choices]); // the same operations, with weights of their own
 * ```
 */
export function searchCell(args: SearchCellArgs = {}): SearchCell {
  return new SearchCell(args);
}
