// Tells whether a wasm backend keeps its tensors the way that our kernels rely on.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import {memoryOf, moduleOf} from './backend-module.js';

/** The functions of the backend that we call. */
const METHODS = ['makeOutput', 'typedArrayFromHeap', 'getMemoryOffset', 'disposeData', 'incRef', 'refCount'] as const;

/**
 * Compares a backend with what we rely on: its functions, its memory and its allocator, and that a tensor written through the one is
 * read back through the other.
 *
 * @returns What differs, in words; undefined where nothing does.
 */
export function describeDifference(backend: BackendWasm): string | undefined {
  const missing = METHODS.find(name => typeof backend[name] !== 'function');
  if (missing) return `it has no function ${missing}`;
  const memory = memoryOf(backend);
  if (!memory) return 'it has no memory at wasm.asm.memory or wasm.wasmMemory';
  const {_malloc, _free} = moduleOf(backend);
  if (typeof _malloc !== 'function' || typeof _free !== 'function') {
    return 'it has no allocator at wasm._malloc and wasm._free';
  }

  const values = Float32Array.of(1.5, -2.25, 3e30);
  const tensor = backend.makeOutput([3], 'float32', undefined, values);
  try {
    const address = backend.getMemoryOffset(tensor.dataId);
    const isFound =
      Number.isSafeInteger(address) && address > 0 && address + values.byteLength <= memory.buffer.byteLength;
    const found = isFound ? new Float32Array(memory.buffer.slice(address, address + values.byteLength)) : [];
    const isSame = (view: ArrayLike<number>) => view.length === 3 && values.every((value, i) => view[i] === value);
    return isSame(found) && isSame(backend.typedArrayFromHeap(tensor))
      ? undefined
      : 'a tensor is not where getMemoryOffset says';
  } finally {
    backend.disposeData(tensor.dataId);
  }
}
