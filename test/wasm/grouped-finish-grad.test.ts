// The gradient of relu and of biases behind grouped products: the binary's function on a memory of its own, under any division among workers.
// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {binaryMemory, inParts} from '../support/binary-memory.js';
import {exactNumbers} from '../support/slow-mat-mul.js';

const SEED = 20260104;
const cuts = fc.array(fc.nat(), {maxLength: 3});

/** Groups of up to 150 rows, more than are summed at once, some of them empty. */
const cases = fc.record({
  sizes: fc.array(fc.oneof(fc.constant(0), fc.integer({min: 1, max: 9}), fc.integer({min: 60, max: 150})), {
    minLength: 1,
    maxLength: 4,
  }),
  N: fc.oneof(fc.integer({min: 1, max: 8}), fc.integer({min: 9, max: 40})),
  hasRelu: fc.boolean(),
  hasBiases: fc.boolean(),
  cuts,
  place: fc.constantFrom('dy', 'y', 'masked', 'sums'),
  seed: fc.nat(),
});

test('any division among workers gives the masked gradient and its sums, within the memory of its operands', () => {
  fc.assert(
    fc.property(cases, ({sizes, N, hasRelu, hasBiases, cuts, place, seed}) => {
      const rows = sizes.reduce((sum, size) => sum + size, 0);
      fc.pre(rows * N <= 6000);
      const [dy, y] = [exactNumbers(rows * N, seed), exactNumbers(rows * N, seed + 1).map(value => Math.max(0, value))];
      const {exports, place: put, read, writingOnly} = binaryMemory();
      const atDy = put(dy, place === 'dy');
      const atY = put(y, place === 'y');
      const numSums = sizes.length * N;
      const [masked, sums] = [new Float32Array(rows * N).fill(7), new Float32Array(numSums).fill(7)];
      // Both results in one place, the sums in the order of the groups from the last to the first.
      const both = put(new Float32Array([...masked, ...sums]), place === 'masked' || place === 'sums');
      const atSums = both + 4 * rows * N;
      const addressOf = (e: number) => (hasBiases ? atSums + 4 * N * (sizes.length - 1 - e) : 0);
      const table = put(Int32Array.from(sizes.flatMap((size, e) => [size, 0, addressOf(e)])));
      const written = {from: hasRelu ? both : atSums, to: hasBiases ? atSums + 4 * numSums : atSums};
      writingOnly(written.from, Math.max(0, written.to - written.from), () =>
        inParts(sizes.length * Math.ceil(N / 16), cuts, (begin, end, worker) =>
          exports.groupedFinishGradient!(atDy, hasRelu ? atY : 0, hasRelu ? both : 0, table, N, begin, end, worker),
        ),
      );
      const numbersAt = (address: number, count: number) => [...new Float32Array(read(address, 4 * count).buffer)];
      const kept = [...dy].map((value, i) => (!hasRelu || y[i]! > 0 ? value : 0));
      if (hasRelu) expect(numbersAt(both, rows * N)).toEqual(kept);
      if (!hasBiases) return;
      let start = 0;
      sizes.forEach((size, e) => {
        // The numbers are multiples of 1/8: their sums are exact.
        const expected = Array.from({length: N}, (_, n) =>
          Array.from({length: size}, (_, row) => kept[(start + row) * N + n]!).reduce((sum, value) => sum + value, 0),
        );
        start += size;
        expect(numbersAt(addressOf(e), N)).toEqual(expected);
      });
    }),
    {seed: SEED, numRuns: 200},
  );
});

test('what relu made of NaN lets no gradient through, and a gradient of NaN or infinity stays where it is', () => {
  const {exports, place, read} = binaryMemory();
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  // Ten columns: eight in vectors, two alone.
  const y = Float32Array.of(nan, 0, 1, 1, 0, 1, -0, inf, nan, 1);
  const dy = Float32Array.of(5, inf, inf, nan, nan, 2, 3, 4, 6, nan);
  const [atY, atDy, masked] = [place(y), place(dy), place(new Float32Array(10))];
  exports.groupedFinishGradient!(atDy, atY, masked, place(Int32Array.of(1, 0, 0)), 10, 0, 1, 0);
  expect([...new Float32Array(read(masked, 40).buffer)]).toEqual([0, 0, inf, nan, 0, 2, 0, 4, 0, nan]);
});
