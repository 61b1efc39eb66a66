// A whole network without its search: each cell as what it chose, in layers of tfjs.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import type {CellOperations} from './search/edge-operations.js';
import {type PlainCopy, plainCell, plainCopy} from './search/plain-layers.js';
import {SearchCell} from './search-cell.js';

/** What is known of a model's cells before it is copied. */
interface Found {
  cells: Map<SearchCell, {cell: CellOperations; choices: readonly number[]}>;
  nested: Map<tfl.layers.Layer, tfl.LayersModel>;
}

/**
 * Copies a model with each `SearchCell` in it replaced by its likeliest operations, and without the layers that chose. What is left are layers of
 * tfjs (convolution blocks become their activation, convolution and batch normalization) and those of one's own, with copies of the weights: a
 * model to train on, to save, and to load without this library.
 *
 * @param model Functional or sequential; models within it are copied likewise.
 * @returns The model, not compiled, owned by the caller.
 * @throws ValueError for a cell that was given tensors of choices, and knows no layer that they come from.
 * @example
 * ```ts
 * const found = await deriveModel(searched);
 * await found.save(fileSystem('found'));
 * ```
 */
export async function deriveModel(model: tfl.LayersModel): Promise<tfl.LayersModel> {
  if (!(model instanceof tfl.LayersModel)) {
    throw new ValueError(`deriveModel: model must be a tfjs LayersModel, but got ${show(model)}.`);
  }
  const found = await findCells(model);
  const copies = new Map<tfl.layers.Layer, PlainCopy>();
  const tensors = new Map<number, tfl.SymbolicTensor>(); // by the id of the original
  const inputs = model.inputs.map(({id, shape, dtype, name}) => {
    const input = tfl.input({shape: shape.slice(1), dtype, name});
    tensors.set(id, input);
    return input;
  });

  const copyOf = (tensor: tfl.SymbolicTensor): tfl.SymbolicTensor => {
    const known = tensors.get(tensor.id);
    if (known !== undefined) return known;
    const layer = tensor.sourceLayer;
    const node = layer.inboundNodes[tensor.nodeIndex]!;
    const outputs = copyNode(layer, node.inputTensors, node.callArgs);
    for (const [i, {id}] of node.outputTensors.entries()) tensors.set(id, outputs[i]!);
    return tensors.get(tensor.id)!;
  };
  const copyNode = (
    layer: tfl.layers.Layer,
    sources: tfl.SymbolicTensor[],
    callArgs: object = {},
  ): tfl.SymbolicTensor[] => {
    if (layer instanceof SearchCell) {
      const {cell, choices} = found.cells.get(layer)!;
      return [plainCell(cell, choices, copyOf(sources[0]!), `${layer.name}_`)];
    }
    const inputs = sources.map(copyOf);
    const arguments_ = inputs.length === 1 ? inputs[0]! : inputs;
    const nested = found.nested.get(layer);
    if (nested !== undefined) return [nested.apply(arguments_, callArgs)].flat() as tfl.SymbolicTensor[];
    const copy = copies.get(layer) ?? plainCopy(layer);
    copies.set(layer, copy);
    return copy.applyAll(arguments_, callArgs);
  };
  return tfl.model({inputs, outputs: model.outputs.map(copyOf), name: model.name});
}

/** Reads what the cells of a model chose, which takes waiting, and derives the models within it. */
async function findCells(model: tfl.LayersModel): Promise<Found> {
  const found: Found = {cells: new Map(), nested: new Map()};
  for (const layer of model.layers) {
    if (layer instanceof SearchCell) found.cells.set(layer, await layer.searched());
    else if (layer instanceof tfl.LayersModel) found.nested.set(layer, await deriveModel(layer));
  }
  return found;
}
