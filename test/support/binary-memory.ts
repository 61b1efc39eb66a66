// Our binary on a memory of its own, in which every byte outside an operand is a guard.
// SPDX-License-Identifier: Apache-2.0
import {expect} from 'vitest';
import {binaryBytes} from '../../src/wasm/binary-bytes.js';

const PAGES = 2;
const END = PAGES * 65536;
const GUARD = 0xa5;

/** The functions of the binary, with places for operands. */
export interface BinaryMemory {
  exports: Record<string, (...args: number[]) => number>;
  /** Copies bytes to a place of their own, with guards around them; at the very end of the memory, reading past them traps. */
  place(values: Int32Array | Float32Array | Uint8Array, atEnd?: boolean): number;
  /** The bytes at an address. */
  read(address: number, numBytes: number): Uint8Array;
  /** Runs fn and expects that it wrote nowhere but in these bytes. */
  writingOnly(address: number, numBytes: number, fn: () => void): void;
}

export function binaryMemory(): BinaryMemory {
  const memory = new WebAssembly.Memory({initial: PAGES, maximum: 65536});
  const {exports} = new WebAssembly.Instance(new WebAssembly.Module(binaryBytes(false)), {env: {memory}});
  const bytes = new Uint8Array(memory.buffer).fill(GUARD);
  let next = 64;
  return {
    exports: exports as BinaryMemory['exports'],
    place(values, atEnd = false) {
      const address = atEnd ? END - values.byteLength : next;
      if (!atEnd) next += values.byteLength + 8 - (values.byteLength % 4); // at least four guards, and the next place is aligned to 4
      bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), address);
      return address;
    },
    read: (address, numBytes) => bytes.slice(address, address + numBytes),
    writingOnly(address, numBytes, fn) {
      const before = Buffer.from(bytes);
      fn();
      before.set(bytes.subarray(address, address + numBytes), address);
      expect(before.equals(bytes), 'nothing is written outside the result').toBe(true);
    },
  };
}

/** Runs fn on [0, total) in the parts that the cuts make, as workers would. */
export function inParts(
  total: number,
  cuts: readonly number[],
  fn: (begin: number, end: number, worker: number) => void,
) {
  const bounds = [0, ...cuts.map(cut => cut % (total + 1)), total].sort((a, b) => a - b);
  for (let i = 0; i + 1 < bounds.length; ++i) fn(bounds[i]!, bounds[i + 1]!, i);
}
