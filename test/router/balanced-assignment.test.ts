import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {balancedAssignment} from '../../src/router/balanced-assignment.js';
import {numbers} from '../support/enumerate.js';

const sumOf = (scores: number[], numExperts: number, experts: ArrayLike<number>) =>
  Array.from(experts).reduce((sum, e, t) => sum + scores[t * numExperts + e]!, 0);

const loadsOf = (experts: ArrayLike<number>, numExperts: number) => {
  const loads = new Array<number>(numExperts).fill(0);
  Array.from(experts).forEach(e => {
    loads[e]! += 1;
  });
  return loads;
};

/** The largest sum over all E^T assignments whose loads differ by one at most. */
function bestSum(scores: number[], numTokens: number, numExperts: number): number {
  let best = Number.NEGATIVE_INFINITY;
  const experts = new Array<number>(numTokens).fill(0);
  for (let code = 0; code < numExperts ** numTokens; ++code) {
    let rest = code;
    for (let t = 0; t < numTokens; ++t) {
      experts[t] = rest % numExperts;
      rest = Math.floor(rest / numExperts);
    }
    const loads = loadsOf(experts, numExperts);
    if (Math.max(...loads) - Math.min(...loads) <= 1) best = Math.max(best, sumOf(scores, numExperts, experts));
  }
  return best;
}

/** The least cost of a square assignment by Kuhn and Munkres' method, in its form with potentials, O(n^3). */
function leastCost(cost: (row: number, column: number) => number, n: number): number {
  const u = new Float64Array(n + 1);
  const v = new Float64Array(n + 1);
  const rowOf = new Int32Array(n + 1); // 0: none; rows and columns count from 1
  for (let row = 1; row <= n; ++row) {
    rowOf[0] = row;
    const least = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY);
    const before = new Int32Array(n + 1);
    const isDone = new Uint8Array(n + 1);
    let column = 0;
    while (rowOf[column] !== 0) {
      isDone[column] = 1;
      let next = 0;
      let delta = Number.POSITIVE_INFINITY;
      for (let j = 1; j <= n; ++j) {
        if (isDone[j]) continue;
        const reduced = cost(rowOf[column]! - 1, j - 1) - u[rowOf[column]!]! - v[j]!;
        if (reduced < least[j]!) {
          least[j] = reduced;
          before[j] = column;
        }
        if (least[j]! < delta) {
          delta = least[j]!;
          next = j;
        }
      }
      for (let j = 0; j <= n; ++j) {
        if (isDone[j]) {
          u[rowOf[j]!]! += delta;
          v[j]! -= delta;
        } else least[j]! -= delta;
      }
      column = next;
    }
    for (; column !== 0; column = before[column]!) rowOf[column] = rowOf[before[column]!]!;
  }
  return -v[0]!;
}

describe('balancedAssignment', () => {
  test('has the largest sum of all assignments with even loads, by enumeration', () => {
    // All of these are exact in float64: whole numbers with many ties, and float32 numbers with few.
    const sizes = fc.constantFrom(
      [1, 1],
      [1, 4],
      [2, 4],
      [4, 2],
      [5, 2],
      [8, 2],
      [5, 3],
      [6, 3],
      [7, 3],
      [8, 3],
      [5, 4],
      [6, 4],
    );
    const score = fc.oneof(
      fc.integer({min: -2, max: 2}),
      fc.float({min: -8, max: 8, noNaN: true, noDefaultInfinity: true}).map(x => Math.round(x * 1024) / 1024),
    );
    const problem = sizes.chain(([numTokens, numExperts]) =>
      fc.tuple(
        fc.constant(numTokens!),
        fc.constant(numExperts!),
        fc.array(score, {minLength: numTokens! * numExperts!, maxLength: numTokens! * numExperts!}),
      ),
    );
    fc.assert(
      fc.property(problem, ([numTokens, numExperts, scores]) => {
        const experts = balancedAssignment(scores, numTokens, numExperts);
        const loads = loadsOf(experts, numExperts);
        expect(loads.reduce((a, b) => a + b)).toBe(numTokens);
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
        expect(sumOf(scores, numExperts, experts)).toBe(bestSum(scores, numTokens, numExperts));
      }),
      {seed: 1, numRuns: 300},
    );
  });

  test.each([
    ['random scores', (t: number, e: number, noise: number) => noise + 0 * (t + e)],
    ['scores that all prefer the same experts', (t: number, e: number, noise: number) => (noise + 0.1 * t) * (e + 1)],
  ])('has the sum of the Hungarian method for %s', (_title, score) => {
    const [numTokens, numExperts] = [120, 8];
    const noise = numbers(3, numTokens * numExperts);
    const scores = noise.map((x, i) => Math.fround(score(Math.floor(i / numExperts), i % numExperts, x)));
    const experts = balancedAssignment(scores, numTokens, numExperts);
    expect(loadsOf(experts, numExperts)).toEqual(new Array(numExperts).fill(numTokens / numExperts));
    const expected = -leastCost((t, place) => -scores[t * numExperts + (place % numExperts)]!, numTokens);
    expect(sumOf(scores, numExperts, experts)).toBeCloseTo(expected, 9);
  });

  test('ends for equal scores, and for scores of 1e4 beside small ones', () => {
    expect(loadsOf(balancedAssignment(new Array(40).fill(0.1), 10, 4), 4).sort()).toEqual([2, 2, 3, 3]);
    const scores = numbers(4, 60).map((x, i) => (i % 7 === 0 ? 1e4 : 0) + x);
    expect(Math.max(...loadsOf(balancedAssignment(scores, 20, 3), 3))).toBe(7);
  });

  test('gives no token to anyone where there is none', () => {
    expect(balancedAssignment([], 0, 3).length).toBe(0);
  });
});
