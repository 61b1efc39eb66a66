// Puts our kernels in the place of the wasm backend's, and the backend's back.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError} from '../errors.js';
import {replaceAdamSteps, restoreAdamSteps} from './adam-optimizer.js';
import {adamUpdate} from './adam-update.js';
import {batchMatMulWith} from './batch-mat-mul.js';
import {castWith} from './cast.js';
import {describeDifference} from './check-backend.js';
import {compareWith, extremeWith, logicalWith, selectWith} from './compare.js';
import {concatWith} from './concat.js';
import {conv2DBackpropFilter} from './conv2d-backprop-filter.js';
import {conv2DBackpropInputWith} from './conv2d-backprop-input.js';
import {depthwiseBackpropFilter} from './depthwise-backprop-filter.js';
import {depthwiseBackpropInput} from './depthwise-backprop-input.js';
import {categoricalSample, topKMaskKernel} from './draw-kernels.js';
import {einsum} from './einsum.js';
import {fusedMatMulWith} from './fused-mat-mul.js';
import {gatherWith} from './gather.js';
import {groupedMatMulGradBKernel, groupedMatMulKernel} from './grouped-mat-mul.js';
import {identityWith} from './identity.js';
import {oneHotWith} from './one-hot.js';
import {whyNoOwnKernels} from './own-kernels.js';
import {avgPoolGradWith, maxPoolGradWith} from './pool-gradients.js';
import {powWith} from './pow.js';
import {gumbelNoiseKernel, philoxUniforms} from './random-kernels.js';
import {meanWith, overEmptyAxes, sumWith} from './reductions.js';
import {reverseWith} from './reverse.js';
import {rememberRightOperands, type SafeRightOperand} from './right-operands.js';
import {reinmaxGradientKernel, relativeRowsKernel, softmaxGradientKernel} from './row-kernels.js';
import {sliceWith, splitWith, unpackWith} from './slice.js';
import {tanhWith} from './tanh.js';
import {tileWith} from './tile.js';
import {replaceTileGradient, restoreTileGradient} from './tile-gradient.js';
import {unsortedSegmentSum} from './unsorted-segment-sum.js';
import {avgPoolWith, convolutionWith, maxPoolWith} from './window-fit.js';

/** Every kernel that we replace, and what makes ours from the stock one. */
const REPLACEMENTS: Record<string, (stock: tf.KernelConfig, safeRightOperand: SafeRightOperand) => tf.KernelFunc> = {
  AvgPool: avgPoolWith,
  AvgPoolGrad: avgPoolGradWith,
  Conv2D: convolutionWith,
  Conv2DBackpropInput: conv2DBackpropInputWith,
  DepthwiseConv2dNative: convolutionWith,
  FusedConv2D: convolutionWith,
  FusedDepthwiseConv2D: convolutionWith,
  MaxPool: maxPoolWith,
  MaxPoolGrad: maxPoolGradWith,
  BatchMatMul: batchMatMulWith,
  _FusedMatMul: fusedMatMulWith,
  Cast: castWith,
  Concat: concatWith,
  Equal: compareWith,
  GatherV2: gatherWith,
  Greater: compareWith,
  GreaterEqual: compareWith,
  Less: compareWith,
  LessEqual: compareWith,
  LogicalAnd: logicalWith,
  LogicalOr: logicalWith,
  Identity: identityWith,
  Max: stock => overEmptyAxes(stock, dtype => (dtype === 'float32' ? Number.NaN : 0)),
  Maximum: extremeWith,
  Mean: meanWith,
  Min: stock => overEmptyAxes(stock, dtype => (dtype === 'float32' ? Number.NaN : 0)),
  Minimum: extremeWith,
  NotEqual: compareWith,
  OneHot: oneHotWith,
  Pow: powWith,
  Prod: stock => overEmptyAxes(stock, () => 1),
  Reverse: reverseWith,
  Select: selectWith,
  Slice: sliceWith,
  SplitV: splitWith,
  Sum: sumWith,
  Tanh: tanhWith,
  Tile: tileWith,
  Unpack: unpackWith,
};

/** Every kernel that the backend lacks, of an op of tfjs; where it has one by now, ours steps aside. */
const SUPPLEMENTS: Record<string, tf.KernelFunc> = {
  Einsum: einsum,
  UnsortedSegmentSum: unsortedSegmentSum,
  Conv2DBackpropFilter: conv2DBackpropFilter,
  DepthwiseConv2dNativeBackpropFilter: depthwiseBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInput,
};

/** Kernels of ops of ours, which ask for them and do without. They need the binary and are not registered where it cannot run. */
const FUSED: Record<string, tf.KernelFunc> = {
  GroupedMatMul: groupedMatMulKernel,
  GroupedMatMulGradB: groupedMatMulGradBKernel,
  AdamUpdate: adamUpdate,
  CategoricalSample: categoricalSample,
  GumbelNoise: gumbelNoiseKernel,
  PhiloxUniforms: philoxUniforms,
  ReinmaxGradient: reinmaxGradientKernel,
  RelativeRows: relativeRowsKernel,
  SoftmaxGradient: softmaxGradientKernel,
  TopKMask: topKMaskKernel,
};

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
 * only, except where the stock kernels are wrong: products over a zero-length axis, with batch axes broadcast on both sides, with a right
 * operand that was multiplied before under another shape, and `tf.fused.matMul` with a bias and a transposed operand or a batch.
 *
 * Call it once `await tf.setBackend('wasm')` is done and before the first product; a second call does nothing.
 *
 * @returns What is registered now. A notice is also given as a warning of tfjs, which production mode silences.
 * @throws ValueError if the active backend is not wasm.
 */
export function registerWasmTrainingKernels(): WasmTrainingKernels {
  const backendName = tf.getBackend();
  if (backendName !== 'wasm') {
    throw new ValueError(
      `registerWasmTrainingKernels: the active backend must be "wasm", but it is "${backendName}". ` +
        "Import '@tensorflow/tfjs-backend-wasm' and call await tf.setBackend('wasm') first.",
    );
  }
  const backend = tf.backend() as BackendWasm;
  const difference = describeDifference(backend);
  if (difference !== undefined) {
    const notice = `this version of @tensorflow/tfjs-backend-wasm is not one that the kernels know: ${difference}`;
    tf.backend_util.warn(`registerWasmTrainingKernels: ${notice}. The stock kernels stay in place.`);
    return {kernels: ownNames(), notice};
  }
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

/** Restores the wasm backend's own kernels, the steps of Adam and the gradient of tile; does nothing where ours are not registered. */
export function unregisterWasmTrainingKernels(): void {
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
