// Puts our kernels in the place of the wasm backend's, and the backend's back.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import {replaceTileGradient, restoreTileGradient} from './arrays/tile-gradient.js';
import {describeDifference} from './check-backend.js';
import {replaceAdamSteps, restoreAdamSteps} from './fused/adam-optimizer.js';
import {FUSED, REPLACEMENTS, SUPPLEMENTS} from './kernels.js';
import {refuseOutOfMemory, restoreAllocator} from './out-of-memory.js';
import {whyNoOwnKernels} from './own-kernels.js';
import {rememberRightOperands} from './products/right-operands.js';

/** Under this key a kernel of ours holds the stock one, or null; the registry is the only state, so that two copies of this file agree. */
const STOCK = Symbol.for('tfjs-moe.stock-kernel');

/** A registered kernel of ours. */
interface OwnKernel extends tf.KernelConfig {
  [STOCK]: tf.KernelConfig | null;
}

/** What `registerWasmTrainingKernels` did. */
export interface WasmTrainingKernels {
  /** The names of all kernels of ours that are registered now, sorted. */
  kernels: string[];
  /**
   * What keeps our kernels from their best, in words; undefined where nothing does. Without WebAssembly SIMD there are fewer of them, and
   * they are slower; on a version of the backend that keeps its tensors otherwise than ours expect there are none.
   */
  notice: string | undefined;
}

/**
 * Makes the wasm backend train several times faster, and train what it could not at all, by kernels of our own. Values change by rounding
 * only, except where the stock kernels are wrong or leave memory unwritten: there they become those of the cpu backend. The guide
 * "Training on wasm" lists the kernels, what they replace and what they mend.
 *
 * Call it once `await tf.setBackend('wasm')` is done and before the first product; a second call does nothing.
 *
 * @returns What is registered now. A notice is also given as a warning of tfjs, which production mode silences.
 * @throws ValueError if the active backend is not wasm, or has not started.
 * @example
 * await tf.setBackend('wasm');
 * const {kernels, notice} = registerWasmTrainingKernels();
 * kernels.includes('Conv2DBackpropFilter'); // => true
 * notice; // => undefined
 */
export function registerWasmTrainingKernels(): WasmTrainingKernels {
  const backendName = tf.getBackend();
  if (backendName !== 'wasm') {
    throw new ValueError(
      `registerWasmTrainingKernels: the active backend must be "wasm", but it is "${backendName}". ` +
        "Import '@tensorflow/tfjs-backend-wasm' and call await tf.setBackend('wasm') first.",
    );
  }
  if (!('wasm' in tf.engine().registry)) {
    throw new ValueError(
      'registerWasmTrainingKernels: the backend "wasm" must have started, but it has not. ' +
        "Call await tf.setBackend('wasm') first; it gives false where the backend cannot start.",
    );
  }
  const backend = tf.backend() as BackendWasm;
  const difference = describeDifference(backend);
  if (difference !== undefined) {
    const notice = `this version of @tensorflow/tfjs-backend-wasm is not one that the kernels know: ${difference}`;
    tf.backend_util.warn(`registerWasmTrainingKernels: ${notice}. The stock kernels stay in place.`);
    return {kernels: ownNames(), notice};
  }
  refuseOutOfMemory(backend);
  const notice = whyNoOwnKernels(backend);
  if (notice !== undefined)
    tf.backend_util.warn(`registerWasmTrainingKernels: ${notice}. Fewer and slower kernels are registered.`);
  const safeRightOperand = rememberRightOperands();
  for (const [name, make] of Object.entries(REPLACEMENTS)) {
    const stock = registered(name);
    if (stock && !(STOCK in stock)) put({...stock, kernelFunc: make(stock, safeRightOperand), [STOCK]: stock});
  }
  for (const [name, kernelFunc] of Object.entries({...SUPPLEMENTS, ...(notice === undefined ? FUSED : {})})) {
    if (!registered(name)) put({kernelName: name, backendName: 'wasm', kernelFunc, [STOCK]: null});
  }
  replaceAdamSteps();
  replaceTileGradient();
  return {kernels: ownNames(), notice};
}

/** Restores the wasm backend's own kernels and allocator, the steps of Adam and the gradient of tile; does nothing where ours are not registered. */
export function unregisterWasmTrainingKernels(): void {
  const {wasm: backend} = tf.engine().registry;
  if (backend) restoreAllocator(backend as BackendWasm);
  restoreAdamSteps();
  restoreTileGradient();
  for (const name of ownNames()) {
    const {[STOCK]: stock} = registered(name) as OwnKernel;
    if (stock) put(stock);
    else tf.unregisterKernel(name, 'wasm');
  }
}

/** The names under which a kernel of ours stands, sorted. */
function ownNames(): string[] {
  return [REPLACEMENTS, SUPPLEMENTS, FUSED]
    .flatMap(table => Object.keys(table))
    .filter(name => STOCK in (registered(name) ?? {}))
    .sort();
}

function registered(name: string): tf.KernelConfig | OwnKernel | undefined {
  return tf.getKernel(name, 'wasm');
}

/** Registers a kernel in the place of another, which must go first: the registry warns of a second one under the same name. */
function put(kernel: tf.KernelConfig | OwnKernel): void {
  if (registered(kernel.kernelName)) tf.unregisterKernel(kernel.kernelName, kernel.backendName);
  tf.registerKernel(kernel);
}
