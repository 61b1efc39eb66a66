// SoftmaxGradient, ReinmaxGradient and RelativeRows: what estimators do with the rows of their logits, each in one pass.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ownKernels} from '../own-kernels.js';

type KernelParams = Parameters<tf.KernelFunc>[0];

/** Numbers of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_PART = 2 ** 14;

/** q * (g - <q, g>) / temperature, row by row; g may lack leading axes of q. */
export function softmaxGradientKernel({inputs, backend, attrs}: KernelParams): tf.TensorInfo {
  const {q, g} = inputs as {q: tf.TensorInfo; g: tf.TensorInfo};
  const {temperature} = attrs as {temperature: number};
  if (!tf.util.arraysEqual(g.shape, q.shape.slice(q.shape.length - g.shape.length))) {
    throw new Error(`SoftmaxGradient: g must have the last axes of q, [${q.shape}], but has [${g.shape}].`);
  }
  return overRows('SoftmaxGradient', backend as BackendWasm, [q, g], (own, [q, g, out], columns, numRows, minimum) => {
    const gradientRows = tf.util.sizeFromShape((inputs.g as tf.TensorInfo).shape) / columns;
    own.split('softmaxGradient', [q!, g!, out!, columns, gradientRows, temperature], numRows, minimum);
  });
}

/** The gradient of ReinMax, from the draw d, p = softmax(logits), q = softmax(logits / temperature) and the upstream gradient g. */
export function reinmaxGradientKernel({inputs, backend}: KernelParams): tf.TensorInfo {
  const {d, p, q, g} = inputs as Record<string, tf.TensorInfo>;
  for (const x of [d!, p!, g!]) tf.util.assertShapesMatch(x.shape, q!.shape, 'ReinmaxGradient: ');
  return overRows('ReinmaxGradient', backend as BackendWasm, [q!, d!, p!, g!], (own, at, columns, numRows, minimum) => {
    const [q, d, p, g, out] = at as [number, number, number, number, number];
    own.split('reinmaxGradient', [d, p, q, g, out, columns], numRows, minimum);
  });
}

/** (x - max x) / temperature, row by row. */
export function relativeRowsKernel({inputs, backend, attrs}: KernelParams): tf.TensorInfo {
  const {temperature} = attrs as {temperature: number};
  return overRows(
    'RelativeRows',
    backend as BackendWasm,
    [inputs.x as tf.TensorInfo],
    (own, at, columns, numRows, minimum) => {
      own.split('relativeRows', [at[0]!, at[1]!, columns, temperature], numRows, minimum);
    },
  );
}

/** Makes a tensor of the shape of the first one, of whose rows `run` computes each from those of the others. */
function overRows(
  owner: string,
  backend: BackendWasm,
  read: tf.TensorInfo[],
  run: (
    own: NonNullable<ReturnType<typeof ownKernels>>,
    addresses: number[],
    columns: number,
    numRows: number,
    minimum: number,
  ) => void,
): tf.TensorInfo {
  for (const {dtype} of read) {
    if (dtype !== 'float32') throw new Error(`${owner}: the inputs must be float32 tensors, but one is ${dtype}.`);
  }
  const {shape} = read[0]!;
  const columns = shape[shape.length - 1] ?? 1;
  const out = backend.makeOutput(shape, 'float32');
  const size = tf.util.sizeFromShape(shape);
  if (size === 0) return out;
  const own = ownKernels(backend)!;
  const addresses = [...read, out].map(tensor => own.address(tensor));
  run(own, addresses, columns, size / columns, Math.ceil(MINIMUM_PART / columns));
  return out;
}
