// The binary's copies and sums on a memory of their own: any division among workers, nothing read or written outside the operands.
// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {binaryMemory, inParts} from '../support/binary-memory.js';
import {numbers} from '../support/enumerate.js';

const SEED = 20260305;
const RUNS = {seed: SEED, numRuns: 150};

const cuts = fc.array(fc.nat(), {maxLength: 3});
/** Sizes of a row in bytes, on both sides of every way of copying. */
const rowBytes = fc.oneof(fc.integer({min: 1, max: 70}), fc.constantFrom(4, 512, 1020, 1024, 1030));
const side = fc.integer({min: 1, max: 6});
const bytesOf = (count: number, seed = 1) => Uint8Array.from(numbers(seed, count, 0, 256), Math.floor);
/** Exact in float32, as are sums of them. */
const floatsOf = (count: number, seed = 1) =>
  Float32Array.from(numbers(seed, count, -64, 64), value => Math.round(value) / 8);
const asBytes = (values: Float32Array | Int32Array) => new Uint8Array(values.buffer);

describe('the copies and sums of the binary', () => {
  test('rows are copied from where the indices point', () => {
    const cases = fc.record({bytes: rowBytes, batch: side, numOuter: side, length: side, numIndices: side, cuts});
    fc.assert(
      fc.property(
        cases,
        fc.constantFrom('from', 'to', 'indices'),
        ({bytes, batch, numOuter, length, numIndices, cuts}, last) => {
          const numRows = batch * numOuter * numIndices;
          fc.pre((batch * numOuter * length + numRows) * bytes < 100_000);
          const memory = binaryMemory();
          const source = bytesOf(batch * numOuter * length * bytes);
          const indices = Int32Array.from(numbers(2, batch * numIndices, 0, length), Math.floor);
          const list = memory.place(indices, last === 'indices');
          const from = memory.place(source, last === 'from');
          const to = memory.place(new Uint8Array(numRows * bytes), last === 'to');
          inParts(numRows, cuts, (begin, end, worker) =>
            memory.writingOnly(to + begin * bytes, (end - begin) * bytes, () =>
              memory.exports.copyRows!(from, list, to, bytes, length, numOuter, numIndices, begin, end, worker),
            ),
          );
          const expected = Array.from({length: numRows}, (_, row) => {
            const outer = Math.floor(row / numIndices);
            const index = indices[Math.floor(outer / numOuter) * numIndices + (row % numIndices)]!;
            const start = (outer * length + index) * bytes;
            return [...source.subarray(start, start + bytes)];
          });
          expect([...memory.read(to, numRows * bytes)]).toEqual(expected.flat());
        },
      ),
      RUNS,
    );
  });

  test('the first index outside the range is found, and no further one is read', () => {
    const {place, exports} = binaryMemory();
    const indices = place(Int32Array.of(0, 4, 2, -1, 5), true);
    expect([5, 3, 4, 1].map(length => exports.findOutside!(indices, 5, length))).toEqual([3, 1, 1, 1]);
    expect(exports.findOutside!(indices, 3, 5)).toBe(-1);
    expect(exports.findOutside!(indices, 0, 0)).toBe(-1);
  });

  test('blocks are copied at even distances, forwards and backwards', () => {
    const cases = fc.record({bytes: rowBytes, count: fc.integer({min: 0, max: 12}), gap: fc.nat({max: 9}), cuts});
    fc.assert(
      fc.property(cases, fc.boolean(), fc.boolean(), ({bytes, count, gap, cuts}, isBackwards, isFromLast) => {
        const memory = binaryMemory();
        const stride = bytes + gap;
        const size = Math.max(0, count * stride - gap); // the last block ends the operand
        const source = bytesOf(size);
        const from = memory.place(source, isFromLast);
        const to = memory.place(new Uint8Array(count * bytes), !isFromLast);
        const [start, step] = isBackwards ? [from + (count - 1) * stride, -stride] : [from, stride];
        inParts(count, cuts, (begin, end, worker) =>
          memory.writingOnly(to + begin * bytes, (end - begin) * bytes, () =>
            memory.exports.copyBlocks!(start, to, bytes, step, bytes, begin, end, worker),
          ),
        );
        const blocks = Array.from({length: count}, (_, i) => [...source.subarray(i * stride, i * stride + bytes)]);
        expect([...memory.read(to, count * bytes)]).toEqual((isBackwards ? blocks.reverse() : blocks).flat());
      }),
      RUNS,
    );
  });

  test('every block is repeated', () => {
    const cases = fc.record({bytes: rowBytes, count: side, times: fc.integer({min: 0, max: 9}), cuts});
    fc.assert(
      fc.property(cases, fc.boolean(), ({bytes, count, times, cuts}, isFromLast) => {
        const memory = binaryMemory();
        const source = bytesOf(count * bytes);
        const from = memory.place(source, isFromLast);
        const size = count * times * bytes;
        const to = memory.place(new Uint8Array(size), !isFromLast);
        inParts(count, cuts, (begin, end, worker) =>
          memory.writingOnly(to + begin * times * bytes, (end - begin) * times * bytes, () =>
            memory.exports.repeatBlocks!(from, to, bytes, times, begin, end, worker),
          ),
        );
        const expected = Array.from({length: count}, (_, i) =>
          new Array<number[]>(times).fill([...source.subarray(i * bytes, (i + 1) * bytes)]).flat(),
        );
        expect([...memory.read(to, size)]).toEqual(expected.flat());
      }),
      RUNS,
    );
  });

  test.each([
    ['segmentSum', floatsOf],
    ['segmentSumInteger', (count: number) => Int32Array.from(numbers(1, count, -1e9, 1e9), Math.floor)],
  ] as const)('%s adds the rows of each segment', (name, valuesOf) => {
    const cases = fc.record({
      numRows: fc.integer({min: 0, max: 20}),
      numColumns: fc.integer({min: 1, max: 40}),
      numSegments: side,
      cuts,
    });
    fc.assert(
      fc.property(
        cases,
        fc.constantFrom('from', 'to', 'segments'),
        ({numRows, numColumns, numSegments, cuts}, last) => {
          const memory = binaryMemory();
          const values = valuesOf(numRows * numColumns);
          const segments = Int32Array.from(numbers(2, numRows, -2, numSegments + 2), Math.floor);
          const list = memory.place(segments, last === 'segments');
          const from = memory.place(values, last === 'from');
          const expected =
            name === 'segmentSum'
              ? new Float32Array(numSegments * numColumns)
              : new Int32Array(numSegments * numColumns);
          const to = memory.place(new Uint8Array(expected.byteLength).fill(7), last === 'to'); // old memory
          segments.forEach((segment, row) => {
            if (segment < 0 || segment >= numSegments) return;
            for (let c = 0; c < numColumns; ++c) expected[segment * numColumns + c]! += values[row * numColumns + c]!;
          });
          memory.writingOnly(to, expected.byteLength, () =>
            inParts(numColumns, cuts, (begin, end, worker) =>
              memory.exports[name]!(from, list, to, numRows, numColumns, numSegments, begin, end, worker),
            ),
          );
          expect(memory.read(to, expected.byteLength)).toEqual(asBytes(expected));
        },
      ),
      RUNS,
    );
  });

  test('sums along an axis are scaled', () => {
    const cases = fc.record({
      numOuter: side,
      length: fc.integer({min: 1, max: 40}),
      numInner: fc.oneof(fc.constant(1), fc.integer({min: 1, max: 50})),
      scale: fc.constantFrom(1, 0.5),
      cuts,
    });
    fc.assert(
      fc.property(cases, fc.boolean(), ({numOuter, length, numInner, scale, cuts}, isFromLast) => {
        const memory = binaryMemory();
        const values = floatsOf(numOuter * length * numInner);
        const from = memory.place(values, isFromLast);
        const expected = new Float32Array(numOuter * numInner);
        const to = memory.place(expected, !isFromLast);
        values.forEach((value, i) => {
          expected[Math.floor(i / (length * numInner)) * numInner + (i % numInner)]! += scale * value;
        });
        inParts(numOuter, cuts, (begin, end, worker) =>
          memory.writingOnly(to + 4 * begin * numInner, 4 * (end - begin) * numInner, () =>
            memory.exports.sumAxis!(from, to, length, numInner, scale, begin, end, worker),
          ),
        );
        expect([...new Float32Array(memory.read(to, expected.byteLength).buffer)]).toEqual([...expected]);
      }),
      RUNS,
    );
  });
});
