// Refuses in words what does not fit into the memory of a wasm backend.
// SPDX-License-Identifier: Apache-2.0

type Allocate = (bytes: number) => number;

/** Marks an allocator that refuses; the backend is the only state, so that two copies of this file agree. */
const REFUSES = Symbol.for('tfjs-moe.refuses-out-of-memory');

/** From so many bytes on a size would be taken for a smaller one: the allocator knows its lower 32 bits, and adds some bytes of its own. */
const TOO_MANY = 2 ** 32 - 2 ** 16;

/**
 * Makes the allocator of a backend throw where it has no memory left. The backend would take its answer, 0, for an address, and write the
 * tensor to the beginning of the memory, over what the backend's library keeps there; and a tensor of 4 GiB and more would be given the
 * memory of a small one. It stays so until the backend ends.
 *
 * @param module The backend's `wasm`, whose allocator has been called before: the first call puts another in its place.
 * @param memory The backend's.
 */
export function refuseOutOfMemory(module: {_malloc: Allocate & {[REFUSES]?: true}}, memory: WebAssembly.Memory): void {
  const allocate = module._malloc;
  if (allocate[REFUSES]) return;
  const refusing: typeof allocate = bytes => {
    const address = bytes < TOO_MANY ? allocate(bytes) : 0;
    // In the last pages of a full memory the allocator may give out what lies behind its end.
    const isBeyond = (address >>> 0) + bytes > memory.buffer.byteLength;
    if (isBeyond || (address === 0 && bytes > 0))
      throw new Error(`tfjs-moe/wasm: out of memory, ${bytes} bytes more were needed.`);
    return address;
  };
  refusing[REFUSES] = true;
  module._malloc = refusing;
}
