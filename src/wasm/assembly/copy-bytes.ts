// One block of bytes, copied. The engine's own copy costs a call into it, which short rows feel.
// SPDX-License-Identifier: Apache-2.0

/** From this many bytes on the engine's copy is the faster one. */
const LONG: usize = 1024;

/** Copies `bytes` bytes between regions that do not overlap, and touches no byte beyond them. */
// @ts-ignore: decorator
@inline
export function copyBytes(from: usize, to: usize, bytes: usize): void {
  if (bytes == 4) {
    store<i32>(to, load<i32>(from));
  } else if (bytes >= LONG) {
    memory.copy(to, from, bytes);
  } else {
    copyShort(from, to, bytes);
  }
}

function copyShort(from: usize, to: usize, bytes: usize): void {
  if (bytes >= 16) {
    const last = bytes - 16;
    for (let i: usize = 0; i < last; i += 16) v128.store(to + i, v128.load(from + i));
    // The last vector may cover bytes of the one before it again.
    v128.store(to + last, v128.load(from + last));
  } else {
    let i: usize = 0;
    for (; i + 4 <= bytes; i += 4) store<i32>(to + i, load<i32>(from + i));
    for (; i < bytes; ++i) store<u8>(to + i, load<u8>(from + i));
  }
}
