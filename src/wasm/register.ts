// Puts our kernels in the place of the wasm backend's, and the backend's back.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import {batchMatMulWith} from './batch-mat-mul.js';
import {fusedMatMulWith} from './fused-mat-mul.js';
import {rememberRightOperands, type SafeRightOperand} from './right-operands.js';

/** Every kernel that we replace, and what makes ours from the stock one. */
const REPLACEMENTS: Record<string, (stock: tf.KernelConfig, safeRightOperand: SafeRightOperand) => tf.KernelFunc> = {
  BatchMatMul: batchMatMulWith,
  _FusedMatMul: fusedMatMulWith,
};

/** Under this key a kernel of ours holds the stock one; the registry is the only state, so that two copies of this file agree. */
const STOCK = Symbol.for('tfjs-moe.stock-kernel');

/** A registered kernel of ours. */
interface Replacement extends tf.KernelConfig {
  [STOCK]: tf.KernelConfig;
}

/**
 * Makes the wasm backend train several times faster, by kernels that do matrix products with a transposed operand or a batch, of which
 * every backward pass is full, on the backend's fast path. Values change by rounding only, except where the stock kernels are wrong:
 * products over a zero-length axis, with batch axes broadcast on both sides, with a right operand that was multiplied before under
 * another shape, and `tf.fused.matMul` with a bias and a transposed operand or a batch.
 *
 * Call it once `await tf.setBackend('wasm')` is done and before the first product; a second call does nothing.
 *
 * @throws ValueError if the active backend is not wasm.
 */
export function registerWasmTrainingKernels(): void {
  const backend = tf.getBackend();
  if (backend !== 'wasm') {
    throw new ValueError(
      `registerWasmTrainingKernels: the active backend must be "wasm", but it is "${backend}". ` +
        "Import '@tensorflow/tfjs-backend-wasm' and call await tf.setBackend('wasm') first.",
    );
  }
  const safeRightOperand = rememberRightOperands();
  for (const [name, make] of Object.entries(REPLACEMENTS)) {
    const stock = tf.getKernel(name, 'wasm');
    if (STOCK in stock) continue;
    const replacement: Replacement = {...stock, kernelFunc: make(stock, safeRightOperand), [STOCK]: stock};
    put(replacement);
  }
}

/** Restores the wasm backend's own kernels; does nothing where ours are not registered. */
export function unregisterWasmTrainingKernels(): void {
  for (const name of Object.keys(REPLACEMENTS)) {
    const kernel = tf.getKernel(name, 'wasm') as Replacement | undefined;
    if (kernel && STOCK in kernel) put(kernel[STOCK]);
  }
}

/** Registers a kernel in the place of another, which must go first: the registry warns of a second one under the same name. */
function put(kernel: tf.KernelConfig): void {
  tf.unregisterKernel(kernel.kernelName, kernel.backendName);
  tf.registerKernel(kernel);
}
