// The binary's matrix products on a memory of their own: what they read, what they write, and any division among workers.
// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {BINARY} from '../../src/wasm/binaries.js';
import {exactNumbers, slowProduct} from '../support/slow-mat-mul.js';

const SEED = 20260102;
/** 24 pages: room for the operands and for three times the largest scratch. */
const BYTES = 24 * 65536;
/** Stands wherever nothing should be written; not a number that a product gives. */
const GUARD = 12345.5;

type Call = (...args: number[]) => number;

/** An instance of the binary on a fresh memory, and a way to place numbers in it: one list ends with the memory, so that reading past it traps. */
function instance() {
  const memory = new WebAssembly.Memory({initial: BYTES / 65536, maximum: 65536});
  const bytes = Uint8Array.from(atob(BINARY), character => character.charCodeAt(0));
  const {exports} = new WebAssembly.Instance(new WebAssembly.Module(bytes), {env: {memory}});
  const floats = new Float32Array(memory.buffer).fill(GUARD);
  let next = 64;
  return {
    exports: exports as Record<'matMul' | 'groupedMatMul' | 'groupedMatMulGradB' | 'matMulScratch', Call>,
    floats,
    /** The address of `count` numbers' room, a guard number after it. */
    room(count: number, atEnd = false): number {
      if (atEnd) return BYTES - 4 * count;
      next += 4 * count + 4;
      return next - 4 * count - 4;
    },
    /** The address of bytes of scratch, as the backend would give it. */
    scratch(size: number): number {
      next = (next + 63) & ~63;
      next += size;
      return next - size;
    },
    /** Places int32 numbers. */
    integers(values: readonly number[]): number {
      const address = this.room(values.length);
      new Int32Array(memory.buffer, address, values.length).set(values);
      return address;
    },
    /** Places a table of groups: rows, address of the matrix, address of the bias or 0. */
    groups(sizes: number[], matrices: number[], biases: number[] = []): number {
      return this.integers(sizes.flatMap((size, e) => [size, matrices[e]!, biases[e] ?? 0]));
    },
    place(values: Float32Array, atEnd = false): number {
      const address = this.room(values.length, atEnd);
      floats.set(values, address / 4);
      return address;
    },
    /** A view of the numbers at an address. */
    view: (address: number, count: number) => floats.subarray(address / 4, address / 4 + count),
  };
}

/**
 * Runs fn on [0, total) in the pieces that the cuts make, each with the scratch of another of three workers, and gathers what they write to
 * the result; a number that two pieces write fails.
 */
function inPieces(
  total: number,
  cuts: readonly number[],
  result: Float32Array,
  fn: (begin: number, end: number, worker: number) => void,
): number[] {
  const bounds = [0, ...cuts.map(cut => cut % (total + 1)), total].sort((a, b) => a - b);
  const gathered = new Array<number>(result.length);
  let written = 0;
  for (let i = 0; i + 1 < bounds.length; ++i) {
    result.fill(GUARD);
    fn(bounds[i]!, bounds[i + 1]!, i % 3);
    result.forEach((value, place) => {
      if (value === GUARD) return;
      gathered[place] = value;
      written += 1;
    });
  }
  expect(written).toBe(result.length);
  return gathered;
}

/** Every number outside the given regions is as before. */
function expectUntouched(
  before: Float32Array,
  after: Float32Array,
  regions: readonly (readonly [address: number, bytes: number])[],
): void {
  const isInside = (i: number) => regions.some(([address, bytes]) => 4 * i >= address && 4 * i < address + bytes);
  expect(after.findIndex((value, i) => !Object.is(value, before[i]) && !isInside(i))).toBe(-1);
}

const cuts = fc.array(fc.nat(), {maxLength: 3});
const place = fc.constantFrom('a', 'b', 'c', 'bias');
const side = fc.oneof(fc.integer({min: 1, max: 12}), fc.integer({min: 1, max: 90}));

describe('the products of the binary', () => {
  test('any division among workers gives the product, within the memory of its operands', () => {
    const cases = fc.record({
      M: side,
      K: fc.oneof(fc.constant(0), side, fc.integer({min: 395, max: 410})),
      N: side,
      tA: fc.boolean(),
      tB: fc.boolean(),
      hasBias: fc.boolean(),
      low: fc.constantFrom(Number.NEGATIVE_INFINITY, 0),
      high: fc.constantFrom(Number.POSITIVE_INFINITY, 6),
      pairs: fc.array(fc.tuple(fc.integer({min: 0, max: 1}), fc.integer({min: 0, max: 1})), {
        minLength: 1,
        maxLength: 3,
      }),
      splitsColumns: fc.boolean(),
      cuts,
      place,
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(cases, ({M, K, N, tA, tB, hasBias, low, high, pairs, splitsColumns, cuts, place, seed}) => {
        fc.pre(2 * (M * K + K * N) + pairs.length * M * N < 90_000);
        const {exports, ...memory} = instance();
        const [a, b] = [exactNumbers(2 * M * K, seed), exactNumbers(2 * K * N, seed + 1)];
        const bias = exactNumbers(N, seed + 2);
        const [addressA, addressB] = [memory.place(a, place === 'a'), memory.place(b, place === 'b')];
        const addressBias = memory.place(bias, place === 'bias');
        const table = memory.integers(pairs.flat());
        const size = exports.matMulScratch(M, K, N);
        const out = memory.room(pairs.length * M * N, place === 'c');
        const scratch = memory.scratch(3 * size);
        const before = memory.floats.slice();
        const total = pairs.length * (splitsColumns ? Math.ceil(N / 8) : Math.ceil(M / 5));
        const actual = inPieces(total, cuts, memory.view(out, pairs.length * M * N), (begin, end, worker) => {
          const flags = [Number(tA), Number(tB)];
          const finish = [hasBias ? addressBias : 0, low, high];
          exports.matMul(
            addressA,
            addressB,
            out,
            table,
            M,
            K,
            N,
            ...flags,
            ...finish,
            Number(splitsColumns),
            scratch,
            begin,
            end,
            worker,
          ); // prettier-ignore
        });
        const expected = pairs.flatMap(([i, j]) => {
          const [left, right] = [a.subarray(i * M * K, (i + 1) * M * K), b.subarray(j * K * N, (j + 1) * K * N)];
          return slowProduct(left, right, [M, K, N], tA, tB);
        });
        const finished = expected.map((sum, i) => Math.min(high, Math.max(low, sum + (hasBias ? bias[i % N]! : 0))));
        expect(actual).toEqual(finished);
        expectUntouched(before, memory.floats, [
          [out, 4 * pairs.length * M * N],
          [scratch, 3 * size],
        ]);
      }),
      {seed: SEED, numRuns: 150},
    );
  });

  /** Up to five groups, some of them empty. */
  const groups = fc.record({
    sizes: fc.array(fc.oneof(fc.constant(0), fc.integer({min: 1, max: 30})), {minLength: 1, maxLength: 5}),
    K: fc.integer({min: 1, max: 30}),
    N: fc.integer({min: 1, max: 30}),
    tB: fc.boolean(),
    hasBias: fc.boolean(),
    isRelu: fc.boolean(),
    splitsColumns: fc.boolean(),
    cuts,
    place,
    seed: fc.nat(),
  });
  const starts = (sizes: number[]) => sizes.map((_, e) => sizes.slice(0, e).reduce((sum, size) => sum + size, 0));

  test('any division among workers gives the grouped product, within the memory of its operands', () => {
    fc.assert(
      fc.property(groups, ({sizes, K, N, tB, hasBias, isRelu, cuts, place, seed}) => {
        const {exports, ...memory} = instance();
        const rows = sizes.reduce((sum, size) => sum + size, 0);
        const a = exactNumbers(rows * K, seed);
        const matrices = sizes.map((_, e) => exactNumbers(K * N, seed + 1 + e));
        const biases = sizes.map((_, e) => exactNumbers(N, seed + 100 + e));
        const addressA = memory.place(a, place === 'a');
        // The matrices lie in no order, and apart.
        const addressesB = matrices.map((matrix, e) => memory.place(matrix, place === 'b' && e === 0)).reverse();
        const addressesBias = biases.map((bias, e) => memory.place(bias, place === 'bias' && e === sizes.length - 1));
        matrices.reverse();
        const table = memory.groups(sizes, addressesB, hasBias ? addressesBias : []);
        const out = memory.room(rows * N, place === 'c');
        const size = exports.matMulScratch(rows, K, N);
        const scratch = memory.scratch(3 * size);
        const before = memory.floats.slice();
        const total = sizes.reduce((sum, size) => sum + Math.ceil(size / 5), 0);
        const low = isRelu ? 0 : Number.NEGATIVE_INFINITY;
        const actual = inPieces(total, cuts, memory.view(out, rows * N), (begin, end, worker) => {
          exports.groupedMatMul(addressA, out, table, rows, K, N, Number(tB), low, scratch, begin, end, worker);
        });
        const first = starts(sizes);
        const expected = sizes.flatMap((size, e) => {
          const left = a.subarray(first[e]! * K, (first[e]! + size) * K);
          const sums = slowProduct(left, matrices[e]!, [size, K, N], false, tB);
          return sums.map((sum, i) => Math.max(low, sum + (hasBias ? biases[e]![i % N]! : 0)));
        });
        expect(actual).toEqual(expected);
        expectUntouched(before, memory.floats, [
          [out, 4 * rows * N],
          [scratch, 3 * size],
        ]);
      }),
      {seed: SEED, numRuns: 150},
    );
  });

  test('any division among workers gives the gradient of the matrices, within the memory of its operands', () => {
    fc.assert(
      fc.property(groups, ({sizes, K, N, splitsColumns, cuts, place, seed}) => {
        const {exports, ...memory} = instance();
        const rows = sizes.reduce((sum, size) => sum + size, 0);
        const [a, dy] = [exactNumbers(rows * K, seed), exactNumbers(rows * N, seed + 1)];
        const [addressA, addressB] = [memory.place(a, place === 'a'), memory.place(dy, place === 'b')];
        const out = memory.room(sizes.length * K * N, place === 'c');
        const addresses = sizes.map((_, e) => out + 4 * e * K * N).reverse();
        const table = memory.groups(sizes, addresses);
        const size = exports.matMulScratch(K, rows, N);
        const scratch = memory.scratch(3 * size);
        const before = memory.floats.slice();
        const total = sizes.length * (splitsColumns ? Math.ceil(N / 8) : Math.ceil(K / 5));
        const actual = inPieces(total, cuts, memory.view(out, sizes.length * K * N), (begin, end, worker) => {
          const numbers = [rows, K, N, Number(splitsColumns)];
          exports.groupedMatMulGradB(addressA, addressB, table, ...numbers, scratch, begin, end, worker);
        });
        const first = starts(sizes);
        const expected = sizes.flatMap((size, e) => {
          const rowsOf = (x: Float32Array, width: number) => x.subarray(first[e]! * width, (first[e]! + size) * width);
          return slowProduct(rowsOf(a, K), rowsOf(dy, N), [K, size, N], true, false);
        });
        // The first group's matrix lies last.
        const matrices = addresses.map(address => actual.slice((address - out) / 4, (address - out) / 4 + K * N));
        expect(matrices.flat()).toEqual(expected);
        expectUntouched(before, memory.floats, [
          [out, 4 * sizes.length * K * N],
          [scratch, 3 * size],
        ]);
      }),
      {seed: SEED, numRuns: 100},
    );
  });
});
