// Our binary on the memory of a wasm backend: it reads and writes the backend's tensors where they lie.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import {type BackendModule, memoryOf, moduleOf} from './backend-module.js';
import {binaryBytes} from './binary-bytes.js';
import {refuseOutOfMemory} from './out-of-memory.js';
import {type Splittable, threadPoolOf} from './threads/thread-pool.js';

/** What src/wasm/assembly exports; the comments stand there. */
interface Exports {
  averagePoolGradient: Splittable;
  batchGradientSums: Splittable;
  batchMoments: Splittable;
  batchNormalize: Splittable;
  batchNormalizeGradient: Splittable;
  joinMoments: Splittable;
  joinSums: Splittable;
  convolve: Splittable;
  convolveFilterGradient: Splittable;
  depthwiseConvolve: Splittable;
  depthwiseFilterGradient: Splittable;
  maxPoolGradient: Splittable;
  packFlippedFilters: Splittable;
  repeatNumbers: Splittable;
  sumNumbers: Splittable;
  combineRows: Splittable;
  combineRowsGradient: Splittable;
  compare: Splittable;
  copyBlocks: Splittable;
  copyRows: Splittable;
  updateAdam: Splittable;
  fillUniforms: Splittable;
  gumbelNoise(uniforms: number, noise: number, count: number): number;
  gumbelRaoGradient: Splittable;
  gumbelRaoScratch(columns: number, groups: number): number;
  markLargest(x: number, mask: number, count: number, rows: number, columns: number): number;
  reinmaxGradient: Splittable;
  relativeRows: Splittable;
  sampleCategories(probs: number, uniforms: number, sample: number, rows: number, columns: number): number;
  softmaxGradient: Splittable;
  groupedFinishGradient: Splittable;
  groupedMatMul: Splittable;
  groupedMatMulGradB: Splittable;
  matMul: Splittable;
  matMulScratch(M: number, K: number, N: number): number;
  findOutside(indices: number, count: number, length: number): number;
  repeatBlocks: Splittable;
  extreme: Splittable;
  logical: Splittable;
  segmentSum: Splittable;
  segmentSumInteger: Splittable;
  select: Splittable;
  sumAxis: Splittable;
  tanh: Splittable;
}

/** The binary on one backend's memory. */
export interface OwnKernels {
  /** The functions of the binary. */
  readonly exports: Exports;
  /** Among how many workers `split` may divide the work. */
  readonly numWorkers: number;
  /** The address of a tensor's first byte. It holds until the tensor is disposed, also when the memory grows. */
  address(tensor: tf.TensorInfo): number;
  /** Runs body with the address of `bytes` bytes of memory, aligned to 16 and not cleared, and frees them after it, also when it throws. */
  withScratch<T>(bytes: number, body: (address: number) => T): T;
  /** Runs a function over [0, total), in parts of at least `minimum`, on as many workers as there are. */
  split(name: SplittableName, args: number[], total: number, minimum: number): void;
}

type SplittableName = {[Name in keyof Exports]: Splittable extends Exports[Name] ? Name : never}[keyof Exports];

const made = new WeakMap<BackendWasm, OwnKernels | string>();

/** Our binary on this backend's memory, or undefined where it cannot run: without SIMD, or on an unknown version of the backend. */
export function ownKernels(backend: BackendWasm): OwnKernels | undefined {
  const own = instance(backend);
  return typeof own === 'string' ? undefined : own;
}

/** Why `ownKernels` gives nothing for this backend, in words; undefined where it does. */
export function whyNoOwnKernels(backend: BackendWasm): string | undefined {
  const own = instance(backend);
  return typeof own === 'string' ? own : undefined;
}

function instance(backend: BackendWasm): OwnKernels | string {
  let own = made.get(backend);
  if (own === undefined) {
    refuseOutOfMemory(backend);
    own = instantiate(backend);
    made.set(backend, own);
  }
  return own;
}

function instantiate(backend: BackendWasm): OwnKernels | string {
  const memory = memoryOf(backend);
  if (!memory) return 'the backend keeps its memory elsewhere';
  const isShared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer;
  const bytes = binaryBytes(isShared);
  if (!WebAssembly.validate(bytes)) return 'this engine has no WebAssembly SIMD';
  let exports: Exports;
  try {
    exports = new WebAssembly.Instance(new WebAssembly.Module(bytes), {env: {memory}}).exports as unknown as Exports;
  } catch (error) {
    // Chrome before version 115 compiles no more than 4 kB at once on a page's main thread.
    return `this engine refuses to compile the binary (${(error as Error).message})`;
  }
  const pool = threadPoolOf(memory);
  // Whoever waits for a thread of tfjs's own spins, so that beside the threads of `split` they cost more than they give. This leaves them
  // asleep until the backend ends.
  const {tfjs, _malloc: allocate, _free: free} = moduleOf(backend) as BackendModule;
  if (pool) tfjs.initWithThreadsCount(1);
  return {
    exports,
    numWorkers: pool?.numThreads ?? 1,
    address(tensor) {
      const address = backend.getMemoryOffset(tensor.dataId);
      // Before our kernels were in use, the backend gave a tensor the address 0 where it had no memory, and said nothing.
      if (!address && tensor.shape.every(length => length > 0)) throw new Error('tfjs-moe/wasm: out of memory.');
      return address;
    },
    withScratch(size, body) {
      const start = allocate(size + 15) >>> 0;
      try {
        return body(((start + 15) & ~15) >>> 0);
      } finally {
        free(start);
      }
    },
    split(name, args, total, minimum) {
      if (total > 0 && !pool?.run(name, exports[name], args, total, minimum)) exports[name](...args, 0, total, 0);
    },
  };
}
