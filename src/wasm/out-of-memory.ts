// Refuses in words what does not fit into the memory of a wasm backend.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import {type BackendModule, memoryOf, moduleOf} from './backend-module.js';

type Allocate = BackendModule['_malloc'];

/** Under this key an allocator that refuses holds the stock one; the backend is the only state, so that two copies of this file agree. */
const STOCK = Symbol.for('tfjs-moe.stock-allocator');

type RefusingAllocate = Allocate & {[STOCK]?: Allocate};

/** From so many bytes on a size would be taken for a smaller one: the allocator knows its lower 32 bits, and adds some bytes of its own. */
const TOO_MANY = 2 ** 32 - 2 ** 16;

/**
 * Makes the allocator of a backend throw where it has no memory left. The backend would take its answer, 0, for an address, and write the
 * tensor to the beginning of the memory, over what the backend's library keeps there; and a tensor of 4 GiB and more would be given the
 * memory of a small one.
 */
export function refuseOutOfMemory(backend: BackendWasm): void {
  const memory = memoryOf(backend);
  const module = moduleOf(backend);
  if (!memory || !module._malloc) return;
  backend.disposeData(backend.makeOutput([], 'float32').dataId); // the first call of the allocator puts another in its place
  const allocate: RefusingAllocate = module._malloc;
  if (allocate[STOCK]) return;
  const refusing: RefusingAllocate = bytes => {
    const address = bytes < TOO_MANY ? allocate(bytes) : 0;
    // In the last pages of a full memory the allocator may give out what lies behind its end.
    const isBeyond = (address >>> 0) + bytes > memory.buffer.byteLength;
    if (isBeyond || (address === 0 && bytes > 0)) {
      throw new Error(`tfjs-moe/wasm: out of memory, ${bytes} bytes more were needed.`);
    }
    return address;
  };
  refusing[STOCK] = allocate;
  module._malloc = refusing;
}

/** Gives a backend its own allocator back. */
export function restoreAllocator(backend: BackendWasm): void {
  const module = moduleOf(backend);
  const stock = (module._malloc as RefusingAllocate | undefined)?.[STOCK];
  if (stock) module._malloc = stock;
}
