// Builds the graph of a model anew, on other inputs.
// SPDX-License-Identifier: Apache-2.0
import type * as tfl from '@tensorflow/tfjs-layers';

/** One use of a layer in a model. */
export interface GraphNode {
  layer: tfl.layers.Layer;
  inputs: readonly tfl.SymbolicTensor[];
  callArgs: object;
}

/** Makes what stands for a node. `copyOf` gives what stands for a tensor of the original; for one that is not asked for, nothing is made. */
export type CopyNode = (
  node: GraphNode,
  copyOf: (tensor: tfl.SymbolicTensor) => tfl.SymbolicTensor,
) => tfl.SymbolicTensor[];

/**
 * Walks from the outputs of a model to its inputs, and makes each node on the way once.
 *
 * @param inputs What stands for the model's inputs.
 * @returns What stands for its outputs.
 */
export function copyGraph(
  model: tfl.LayersModel,
  inputs: readonly tfl.SymbolicTensor[],
  copyNode: CopyNode,
): tfl.SymbolicTensor[] {
  const copies = new Map(model.inputs.map(({id}, i) => [id, inputs[i]!])); // by the id of the original
  const copyOf = (tensor: tfl.SymbolicTensor): tfl.SymbolicTensor => {
    const known = copies.get(tensor.id);
    if (known !== undefined) return known;
    const layer = tensor.sourceLayer;
    const {inputTensors, outputTensors, callArgs} = layer.inboundNodes[tensor.nodeIndex]!;
    const outputs = copyNode({layer, inputs: inputTensors, callArgs: callArgs ?? {}}, copyOf);
    for (const [i, {id}] of outputTensors.entries()) copies.set(id, outputs[i]!);
    return copies.get(tensor.id)!;
  };
  return model.outputs.map(copyOf);
}
