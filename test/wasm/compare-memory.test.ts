// The binary's comparisons, selections and tanh on a memory of their own: any division among workers, nothing touched outside the operands.
// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {binaryMemory, inParts} from '../support/binary-memory.js';
import {numbers} from '../support/enumerate.js';
import {expectClose} from '../support/expect-close.js';

const RUNS = {seed: 20260310, numRuns: 100};
/** Numbers that compare in every way. */
const NUMBERS = [0, -0, 1, -1, 2, Number.NaN, Infinity, -Infinity];

const cuts = fc.array(fc.nat(), {maxLength: 3});
/** On both sides of one and of two vectors of bytes. */
const count = fc.integer({min: 0, max: 45});
const draw = (seed: number, count: number) =>
  Float32Array.from(numbers(seed, count, 0, NUMBERS.length), i => NUMBERS[Math.floor(i)]!);
const bytesOf = (values: Float32Array | Int32Array) => new Uint8Array(values.buffer);
/** Bytes that are true in the several ways that a byte can be. */
const drawTruths = (seed: number, count: number) =>
  Uint8Array.from(numbers(seed, count, 0, 4), i => [0, 0, 1, 128][Math.floor(i)]!);

const COMPARISONS: ((x: number, y: number) => boolean)[] = [
  (x, y) => x > y,
  (x, y) => x >= y,
  (x, y) => x < y,
  (x, y) => x <= y,
  (x, y) => x === y,
  (x, y) => x !== y,
];

/** Two operands, of which one may be a single number, and which of the three tensors lies at the end of the memory. */
const pairs = fc.record({
  count: fc.integer({min: 1, max: 45}),
  single: fc.constantFrom('none', 'a', 'b'),
  last: fc.constantFrom('a', 'b', 'to'),
  cuts,
});

/** Runs compare or extreme on such operands and gives what it wrote, and the operands as they are meant. */
function runPairs(
  name: 'compare' | 'extreme',
  operation: number,
  {count, single, last, cuts}: typeof pairs extends fc.Arbitrary<infer Case> ? Case : never,
) {
  const memory = binaryMemory();
  const [a, b] = [draw(1, single === 'a' ? 1 : count), draw(2, single === 'b' ? 1 : count)];
  const [atA, atB] = [memory.place(a, last === 'a'), memory.place(b, last === 'b')];
  const numBytes = name === 'compare' ? count : 4 * count;
  const to = memory.place(new Uint8Array(numBytes), last === 'to');
  const width = numBytes / count;
  inParts(count, cuts, (begin, end, worker) =>
    memory.writingOnly(to + width * begin, width * (end - begin), () =>
      memory.exports[name]!(
        atA,
        atB,
        to,
        single === 'a' ? 1 : 0,
        single === 'b' ? 1 : 0,
        operation,
        begin,
        end,
        worker,
      ),
    ),
  );
  const operands = Array.from({length: count}, (_, i): [number, number] => [
    a[single === 'a' ? 0 : i]!,
    b[single === 'b' ? 0 : i]!,
  ]);
  return {bytes: memory.read(to, numBytes), operands};
}

describe('the comparisons of the binary', () => {
  test('numbers are compared one by one, or all with a single one', () => {
    fc.assert(
      fc.property(pairs, fc.nat({max: 5}), (operands, operation) => {
        const result = runPairs('compare', operation, operands);
        expect([...result.bytes]).toEqual(result.operands.map(([x, y]) => Number(COMPARISONS[operation]!(x, y))));
      }),
      {...RUNS, numRuns: 300},
    );
  });

  test('the larger or the smaller of two numbers is that of Math.max and Math.min, and a NaN stays', () => {
    fc.assert(
      fc.property(pairs, fc.boolean(), (operands, isLarger) => {
        const result = runPairs('extreme', Number(isLarger), operands);
        const choose = isLarger ? Math.max : Math.min;
        expect([...new Float32Array(result.bytes.buffer)]).toEqual(result.operands.map(([x, y]) => choose(x, y)));
      }),
      RUNS,
    );
  });

  test('numbers of four bytes are selected by bytes that are zero or not', () => {
    const cases = fc.record({count, last: fc.constantFrom('condition', 'yes', 'no', 'to'), cuts});
    fc.assert(
      fc.property(cases, ({count, last, cuts}) => {
        const memory = binaryMemory();
        const truths = drawTruths(3, count);
        const [yes, no] = [draw(1, count), draw(2, count)];
        const condition = memory.place(truths, last === 'condition');
        const [atYes, atNo] = [memory.place(yes, last === 'yes'), memory.place(no, last === 'no')];
        const to = memory.place(new Uint8Array(4 * count), last === 'to');
        inParts(count, cuts, (begin, end, worker) =>
          memory.writingOnly(to + 4 * begin, 4 * (end - begin), () =>
            memory.exports.select!(condition, atYes, atNo, to, begin, end, worker),
          ),
        );
        const expected = Float32Array.from(truths, (truth, i) => (truth ? yes : no)[i]!);
        expect(memory.read(to, 4 * count)).toEqual(bytesOf(expected));
      }),
      RUNS,
    );
  });

  test('both or either of two bytes are true, whichever bits make them so', () => {
    const cases = fc.record({count, last: fc.constantFrom('a', 'b', 'to'), isEither: fc.boolean(), cuts});
    fc.assert(
      fc.property(cases, ({count, last, isEither, cuts}) => {
        const memory = binaryMemory();
        const [a, b] = [drawTruths(1, count), drawTruths(2, count)];
        const [atA, atB] = [memory.place(a, last === 'a'), memory.place(b, last === 'b')];
        const to = memory.place(new Uint8Array(count), last === 'to');
        inParts(count, cuts, (begin, end, worker) =>
          memory.writingOnly(to + begin, end - begin, () =>
            memory.exports.logical!(atA, atB, to, Number(isEither), begin, end, worker),
          ),
        );
        const expected = Array.from(a, (x, i) => Number(isEither ? x || b[i] : x && b[i]) && 1);
        expect([...memory.read(to, count)]).toEqual(expected);
      }),
      RUNS,
    );
  });

  test('tanh touches its operands alone, in whatever parts', () => {
    fc.assert(
      fc.property(count, cuts, fc.boolean(), (count, cuts, isFromLast) => {
        const memory = binaryMemory();
        const x = Float32Array.from(numbers(4, count, -5, 5));
        const from = memory.place(x, isFromLast);
        const to = memory.place(new Uint8Array(4 * count), !isFromLast);
        inParts(count, cuts, (begin, end, worker) =>
          memory.writingOnly(to + 4 * begin, 4 * (end - begin), () =>
            memory.exports.tanh!(from, to, begin, end, worker),
          ),
        );
        const result = new Float32Array(memory.read(to, 4 * count).buffer);
        expectClose(
          [...result],
          Array.from(x, value => Math.tanh(value)),
          1e-6,
        );
      }),
      RUNS,
    );
  });
});
