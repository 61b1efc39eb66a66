// What the binary is told of rows in groups: how many rows each has, and where its weights lie, be they one tensor or one a group.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import type {OwnKernels} from '../own-kernels.js';

/** Something of each group: one tensor [groups, ...], or one tensor a group. */
export type OneAGroup = tf.TensorInfo | readonly tf.TensorInfo[];

/** Where the weights of the groups lie; what the binary does not ask for is left out. */
export interface GroupWeights {
  matrices?: OneAGroup | undefined;
  biases?: OneAGroup | undefined;
}

/** The inputs of a kernel that are one a group, by the name with the group's number behind it; none if it has none. */
export function inputsOfGroups(inputs: tf.NamedTensorInfoMap, name: string, groups: number): tf.TensorInfo[] {
  return Array.from({length: groups}, (_, e) => inputs[`${name}${e}`]).filter(tensor => tensor !== undefined);
}

/** Refuses inputs that are not of float32. */
export function checkFloats(owner: string, inputs: tf.NamedTensorInfoMap): void {
  for (const [name, input] of Object.entries(inputs)) {
    if (input!.dtype !== 'float32')
      throw new ValueError(`${owner}: ${name} must be float32, but it is ${input!.dtype}.`);
  }
}

/** Runs body with the address of a table of groups, as src/wasm/assembly/mat-mul-grouped.ts reads it, and frees the table after it. */
export function withGroupTable(
  backend: BackendWasm,
  binary: OwnKernels,
  groupSizes: ArrayLike<number>,
  {matrices, biases}: GroupWeights,
  body: (address: number) => void,
): void {
  const [matrixOf, biasOf] = [addressesOf(binary, matrices), addressesOf(binary, biases)];
  const E = groupSizes.length;
  const numbers = new Int32Array(3 * E);
  for (let e = 0; e < E; ++e) {
    numbers[3 * e] = groupSizes[e]!;
    numbers[3 * e + 1] = matrixOf(e);
    numbers[3 * e + 2] = biasOf(e);
  }
  const table = backend.makeOutput([E, 3], 'int32', undefined, numbers);
  try {
    body(binary.address(table));
  } finally {
    backend.disposeData(table.dataId);
  }
}

/** The address of a group's part. */
function addressesOf(binary: OwnKernels, tensors: OneAGroup | undefined): (group: number) => number {
  if (tensors === undefined) return () => 0;
  if (!('shape' in tensors)) return e => binary.address(tensors[e]!);
  const start = binary.address(tensors);
  const bytes = tf.util.sizeFromShape(tensors.shape.slice(1)) * Float32Array.BYTES_PER_ELEMENT;
  return e => start + e * bytes;
}
