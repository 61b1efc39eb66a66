// The most memory that a piece of work holds at one time: as tfjs counts its tensors, and as the wasm backend allocates it.
// SPDX-License-Identifier: Apache-2.0
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/** What a piece of work holds at its highest, beyond what stood before it. */
export interface PeakBytes {
  /** `tf.memory().numBytes`, watched at every change: tensors, in which one that shares another's memory counts as well. */
  tensors: number;
  /** What the backend has allocated on the wasm heap: buffers of tensors, and what kernels take for the time of their call. */
  heap: number;
}

/** The allocator of the wasm backend; our kernels put their own, which refuses, in the place of the stock one. */
interface Allocator {
  _malloc(bytes: number): number;
  _free(address: number): void;
}

/** Runs a piece of work, on the wasm backend, and watches the memory. */
export function peakBytes(run: () => void): PeakBytes {
  const tensors = new HighWater();
  const heap = new HighWater();
  const stopTensors = watchTensors(tensors);
  const stopHeap = watchHeap(heap);
  try {
    run();
  } finally {
    stopHeap();
    stopTensors();
  }
  return {tensors: tensors.highest, heap: heap.highest};
}

/** A level and the highest that it has been at. */
class HighWater {
  highest = 0;
  #level = 0;

  add(bytes: number): void {
    this.#level += bytes;
    this.highest = Math.max(this.highest, this.#level);
  }
}

/** Watches the engine's count of bytes; returns what stops it. */
function watchTensors(level: HighWater): () => void {
  const state = tf.engine().state as unknown as {numBytes: number};
  let bytes = state.numBytes;
  Object.defineProperty(state, 'numBytes', {
    configurable: true,
    enumerable: true,
    get: () => bytes,
    set(value: number) {
      level.add(value - bytes);
      bytes = value;
    },
  });
  return () =>
    Object.defineProperty(state, 'numBytes', {configurable: true, enumerable: true, writable: true, value: bytes});
}

/** Watches what is allocated and freed on the heap; returns what stops it. */
function watchHeap(level: HighWater): () => void {
  const backend = tf.backend() as BackendWasm;
  backend.disposeData(backend.makeOutput([], 'float32').dataId); // the first call of the allocator puts another in its place
  const module = (backend as unknown as {wasm: Allocator}).wasm;
  const {_malloc: allocate, _free: free} = module;
  const sizes = new Map<number, number>();
  module._malloc = bytes => {
    const address = allocate(bytes);
    sizes.set(address, bytes);
    level.add(bytes);
    return address;
  };
  module._free = address => {
    level.add(-(sizes.get(address) ?? 0)); // what stood before may go as well, and is not counted
    sizes.delete(address);
    free(address);
  };
  return () => {
    module._malloc = allocate;
    module._free = free;
  };
}
