// The operations of a cell's edges as layers, each edge with its own.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../../errors.js';
import {buildChild, nameWeights} from '../child-layers.js';
import {singleShape, singleTensor} from '../layer-input.js';
import {type Candidate, isNone, makeLayers} from './candidates.js';
import {cellEdges} from './topology.js';

/** An operation on one edge. */
export interface EdgeOperation {
  name: string;
  /** Applied in turn; none where nothing is done to what comes in. */
  layers: readonly tfl.layers.Layer[];
  /** Whether it gives zeros whatever comes in. */
  isNone: boolean;
}

/** The operations of all edges, and what the nodes look like. */
export interface CellOperations {
  /** [edge][operation], edges in the order of `cellEdges`. */
  operations: readonly (readonly EdgeOperation[])[];
  /** The shape of each node, the batch axis null. */
  shapes: readonly tfl.Shape[];
}

/** What `makeCellOperations` is told. */
export interface CellOptions {
  /** The class that the layers are in, for errors. */
  owner: string;
  /** The name of the layer that they are in, for the weights' names. */
  name: string;
  numNodes: number;
  candidates: readonly Candidate[];
  affine: boolean;
  seed: number | undefined;
  /** Whether initializers are to be skipped, since the weights are about to be loaded. */
  fastInit: boolean;
}

/**
 * Makes and builds the layers of a cell, within the name scope of the layer that they are in.
 *
 * @param inputShape [batch, ..., features], all but the batch known.
 * @throws ValueError where operations that end in the same node disagree in shape.
 */
export function makeCellOperations(inputShape: tfl.Shape, options: CellOptions): CellOperations {
  const {owner, numNodes, candidates} = options;
  const shapes: tfl.Shape[] = [[null, ...inputShape.slice(1)]]; // the batch is known where the cell is called outside a graph
  const operations = cellEdges(numNodes).map(({from, to}) => {
    const edge = `edge_${from}_${to}`;
    return candidates.map(candidate => {
      const input = shapes[from]!;
      const {layers, shape} = makeEdgeLayers(candidate, edge, input, options);
      const operation = {name: candidate.name, layers, isNone: isNone(candidate)};
      if (operation.isNone) return operation; // zeros take any shape
      shapes[to] ??= shape;
      if (shape.join() !== shapes[to]!.join()) {
        throw new ValueError(
          `${owner}: all operations into a node must give the same shape, but ${show(candidate.name)} on edge ${from}>${to} gives ` +
            `${show(shape)} and another gives ${show(shapes[to])}.`,
        );
      }
      return operation;
    });
  });
  for (let node = 1; node < numNodes; ++node) shapes[node] ??= shapes[0]!; // where 'none' is all there is
  return {operations, shapes};
}

function makeEdgeLayers(candidate: Candidate, edge: string, inputShape: tfl.Shape, options: CellOptions) {
  if (isNone(candidate)) return {layers: [], shape: inputShape};
  const {name, affine, seed} = options;
  const layers = makeLayers(candidate, {channels: inputShape[inputShape.length - 1]!, affine, seed});
  let shape = inputShape;
  layers.forEach((layer, k) => {
    layer.setFastWeightInitDuringBuild(options.fastInit);
    layer.name = `${edge}_${candidate.name}${layers.length > 1 ? `.${k}` : ''}`; // a point is in no operation's name
    buildChild(layer, shape);
    nameWeights(`${name}/${layer.name}/`, layer);
    const template = candidate.templates?.[k];
    if (template?.built && template.weights.length > 0) layer.setWeights(template.getWeights());
    shape = outputShape(layer, shape);
  });
  return {layers, shape};
}

/** Of a model only the graph says the shape: a Sequential cannot compute it. */
function outputShape(layer: tfl.layers.Layer, inputShape: tfl.Shape): tfl.Shape {
  return layer instanceof tfl.LayersModel ? layer.outputs[0]!.shape : singleShape(layer.computeOutputShape(inputShape));
}

/** What an operation makes of its input; undefined for zeros. The input itself where nothing is done to it. */
export function applyOperation(
  {layers, isNone}: EdgeOperation,
  x: tf.Tensor,
  training: boolean,
): tf.Tensor | undefined {
  if (isNone) return undefined;
  return layers.reduce((input, layer) => singleTensor(layer.apply(input, {training}) as tf.Tensor | tf.Tensor[]), x);
}
