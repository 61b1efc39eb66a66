// SoftmaxGradient, ReinmaxGradient and RelativeRows: what estimators do with the rows of their logits, each in one pass.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../../errors.js';
import {ownKernels} from '../own-kernels.js';

/** Numbers of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_NUMBERS = 2 ** 14;

/** q * (g - <q, g>) / temperature, row by row; g may lack leading axes of q. */
export const softmaxGradientKernel: tf.KernelFunc = params => {
  const {q, g} = params.inputs as {q: tf.TensorInfo; g: tf.TensorInfo};
  const {temperature} = params.attrs as {temperature: number};
  if (!tf.util.arraysEqual(g.shape, q.shape.slice(-Math.max(1, g.shape.length)))) {
    throw new ValueError(`SoftmaxGradient: g must have the last axes of q, [${q.shape}], but has [${g.shape}].`);
  }
  const gradientRows = tf.util.sizeFromShape(g.shape.slice(0, -1));
  return overRows(
    'SoftmaxGradient',
    'softmaxGradient',
    params.backend as BackendWasm,
    [q, g],
    gradientRows,
    temperature,
  );
};

/** The gradient of ReinMax, from the draw d, p = softmax(logits), q = softmax(logits / temperature) and the upstream gradient g. */
export const reinmaxGradientKernel: tf.KernelFunc = params => {
  const {d, p, q, g} = params.inputs as Record<string, tf.TensorInfo>;
  const read = [d!, p!, q!, g!];
  for (const {shape} of read) tf.util.assertShapesMatch(shape, d!.shape, 'ReinmaxGradient: ');
  return overRows('ReinmaxGradient', 'reinmaxGradient', params.backend as BackendWasm, read);
};

/** (x - max x) / temperature, row by row. */
export const relativeRowsKernel: tf.KernelFunc = params => {
  const x = params.inputs.x as tf.TensorInfo;
  const {temperature} = params.attrs as {temperature: number};
  return overRows('RelativeRows', 'relativeRows', params.backend as BackendWasm, [x], temperature);
};

/** Makes a tensor of the shape of the first one and each of its rows by the function `name`, which takes these numbers after the columns. */
function overRows(
  owner: string,
  name: 'softmaxGradient' | 'reinmaxGradient' | 'relativeRows',
  backend: BackendWasm,
  read: tf.TensorInfo[],
  ...numbers: number[]
): tf.TensorInfo {
  for (const {dtype} of read) {
    if (dtype !== 'float32') throw new ValueError(`${owner}: the inputs must be float32 tensors, but one is ${dtype}.`);
  }
  const {shape} = read[0]!;
  const columns = shape[shape.length - 1] ?? 1;
  const out = backend.makeOutput(shape, 'float32');
  const size = tf.util.sizeFromShape(shape);
  if (size === 0) return out;
  const binary = ownKernels(backend)!; // the kernel is registered only where it can run
  const args = [...[...read, out].map(binary.address), columns, ...numbers];
  binary.split(name, args, size / columns, Math.ceil(MINIMUM_NUMBERS / columns));
  return out;
}
