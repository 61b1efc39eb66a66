// Layers of a search as the ordinary layers that they stand for, with copies of their weights.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {deserializeLayer, serializeLayer} from '../child-layers.js';
import {ConvolutionBlock} from '../convolution-block.js';
import {copyGraph} from './copy-graph.js';
import type {CellOperations} from './edge-operations.js';
import {cellEdges, liveNodes} from './topology.js';

type Inputs = tfl.SymbolicTensor | tfl.SymbolicTensor[];

/**
 * The chosen operations on a symbolic input.
 *
 * @param copyOf Gives the copies of the operations' layers.
 */
export function plainCell(
  {operations, shapes}: CellOperations,
  choices: readonly number[],
  input: tfl.SymbolicTensor,
  copyOf: Copier,
): tfl.SymbolicTensor {
  const nodes = [input];
  const isOpen = operations.map((candidates, e) => !candidates[choices[e]!]!.isNone);
  const live = liveNodes(shapes.length, isOpen);
  for (let to = 1; to < shapes.length; ++to) {
    if (!live[to]) continue; // its layers would be in no model, which could free them
    const terms: tfl.SymbolicTensor[] = [];
    for (const [edge, {from, to: target}] of cellEdges(shapes.length).entries()) {
      const {isNone, layers} = operations[edge]![choices[edge]!]!;
      if (target !== to || isNone) continue;
      terms.push(layers.reduce((x, layer) => copyOf(layer)(x)[0]!, nodes[from]!));
    }
    nodes[to] = sumOf(terms) ?? zeros(input, shapes[to]!);
  }
  const output = nodes[shapes.length - 1]!;
  // The output of a model that does nothing must be another tensor than its input.
  return output === input ? copied(output) : output;
}

/** A copy of a layer, not built before it is applied; the first time it is given the weights of the original. */
export type PlainCopy = (inputs: Inputs, callArgs?: object) => tfl.SymbolicTensor[];

/** Gives the copy of a layer, the same one each time it is asked. */
export type Copier = (layer: tfl.layers.Layer) => PlainCopy;

/**
 * Copies layers. A block of this library becomes the layers of tfjs that it stands for; a model its layers, so that none of its blocks is left
 * and each weight has a name of its own.
 *
 * @param prefix Stands before the names of the copies, which must differ from those of others in a model.
 */
export function plainCopies(prefix = ''): Copier {
  const copies = new Map<tfl.layers.Layer, PlainCopy>();
  return layer => {
    const copy =
      copies.get(layer) ?? (layer instanceof tfl.LayersModel ? plainModel : plainCopy)(layer as never, prefix);
    copies.set(layer, copy);
    return copy;
  };
}

function plainModel(model: tfl.LayersModel, prefix: string): PlainCopy {
  const copyLayer = plainCopies(`${prefix}${model.name}_`);
  return inputs =>
    copyGraph(model, [inputs].flat(), ({layer, inputs: sources, callArgs}, copyOf) =>
      copyLayer(layer)(oneOrList(sources.map(copyOf)), callArgs),
    );
}

function plainCopy(layer: tfl.layers.Layer, prefix: string): PlainCopy {
  const parts = layer instanceof ConvolutionBlock ? layer.toPlainLayers() : [copyOf(layer)];
  parts.forEach((part, i) => {
    part.name = `${prefix}${layer.name}${parts.length > 1 ? `_${PARTS[i + PARTS.length - parts.length]}` : ''}`;
  });
  let isComplete = false;
  return (inputs, callArgs) => {
    let outputs: Inputs = inputs;
    for (const part of parts) outputs = part.apply(outputs, callArgs) as Inputs;
    if (!isComplete) {
      isComplete = true;
      if (layer instanceof ConvolutionBlock) layer.copyWeightsTo(parts);
      else if (layer.weights.length > 0) parts[0]!.setWeights(layer.getWeights());
    }
    return [outputs].flat();
  };
}

/** As a layer is to be called: with a list where there are several. */
export function oneOrList(tensors: tfl.SymbolicTensor[]): Inputs {
  return tensors.length === 1 ? tensors[0]! : tensors;
}

/** What the parts of a convolution block are called. */
const PARTS = ['activation', 'convolution', 'normalization'];

function copyOf(layer: tfl.layers.Layer): tfl.layers.Layer {
  return deserializeLayer('deriveArchitecture', 'layer', serializeLayer(layer));
}

function applied(layer: tfl.layers.Layer, inputs: Inputs): tfl.SymbolicTensor {
  return layer.apply(inputs) as tfl.SymbolicTensor;
}

/**
 * Where skips bring a node to another twice, one of them is a copy: a model of tfjs 4.22 counts who takes a tensor by layers, but what was taken by
 * tensors, and frees what a layer takes twice before the next layer has had it.
 */
function sumOf(terms: tfl.SymbolicTensor[]): tfl.SymbolicTensor | undefined {
  const distinct = terms.map((term, i) => (terms.indexOf(term) < i ? copied(term) : term));
  return terms.length > 1 ? applied(tfl.layers.add(), distinct) : terms[0];
}

const copied = (tensor: tfl.SymbolicTensor) => applied(tfl.layers.activation({activation: 'linear'}), tensor);

/** Zeros of the shape of a node into which nothing comes. tfjs has no constant, but takes a factor of 0, and repeats the mean of what is left. */
function zeros(input: tfl.SymbolicTensor, shape: tfl.Shape): tfl.SymbolicTensor {
  const size = (lengths: tfl.Shape) => lengths.slice(1).reduce<number>((product, length) => product * length!, 1);
  const {layers} = tfl;
  const steps: tfl.layers.Layer[] = [layers.rescaling({scale: 0})];
  if (shape.slice(1).join() !== input.shape.slice(1).join()) {
    steps.push(
      layers.reshape({targetShape: [size(input.shape), 1]}),
      layers.globalAveragePooling1d({}),
      layers.repeatVector({n: size(shape)}),
      layers.reshape({targetShape: shape.slice(1)}),
    );
  }
  return steps.reduce((x, layer) => applied(layer, x), input);
}
