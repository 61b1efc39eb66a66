// The assignment once more, as a loop over lists that looks at one expert at a time: the oracle of the assignment's tests.
import fc from 'fast-check';
import type {AssignmentOrder} from '../../src/router/assign-request.js';
import type {Rows} from './reference.js';

/** An assignment as lists; `capacity` undefined for dropless. */
export interface SlowCase {
  indices: Rows;
  numExperts: number;
  capacity: number | undefined;
  order: AssignmentOrder;
  weights: Rows;
  /** One for each token, for the random order. */
  uniforms: number[];
}

/** Sorts the choices of each expert by what the order says, and keeps the first. */
export function slowAssign({indices, numExperts, capacity, order, weights, uniforms}: SlowCase) {
  const experts = indices.map(row => row.map(() => -1));
  const positions = indices.map(row => row.map(() => -1));
  const largest = indices.map((row, t) => Math.max(...row.map((e, k) => (e < 0 ? -Infinity : weights[t]![k]!))));
  const before = {
    position: () => 0,
    priority: (a: Choice, b: Choice) => largest[b.t]! - largest[a.t]!,
    random: (a: Choice, b: Choice) => Math.fround(uniforms[b.t]!) - Math.fround(uniforms[a.t]!),
    probability: (a: Choice, b: Choice) => weights[b.t]![b.k]! - weights[a.t]![a.k]!,
  }[order];
  const bySlot = (a: Choice, b: Choice) => (order === 'probability' ? 0 : a.k - b.k);
  for (let e = 0; e < numExperts; ++e) {
    const own: Choice[] = [];
    indices.forEach((row, t) => {
      if (row.includes(e)) own.push({t, k: row.indexOf(e)});
    });
    own.sort((a, b) => bySlot(a, b) || before(a, b) || a.t - b.t);
    own.slice(0, capacity).forEach(({t, k}, place) => {
      experts[t]![k] = e;
      positions[t]![k] = place;
    });
  }
  return {experts, positions};
}

interface Choice {
  t: number;
  k: number;
}

/** How many choices of each expert there are. */
export function slowCounts(indices: Rows, numExperts: number): number[] {
  return Array.from({length: numExperts}, (_, e) => indices.flat().filter(expert => expert === e).length);
}

const weight = fc.constantFrom(0, 0.25, 0.5, 0.75, 1); // few values, for ties

/** Tokens with distinct experts, of which some are padding and some lack a choice; capacities from 1 to above the number of tokens. */
export const slowCases: fc.Arbitrary<Omit<SlowCase, 'order'>> = fc
  .record({numTokens: fc.integer({min: 1, max: 14}), numExperts: fc.integer({min: 1, max: 5})})
  .chain(({numTokens, numExperts}) =>
    fc.integer({min: 1, max: numExperts}).chain(topK => {
      const all = Array.from({length: numExperts}, (_, e) => e);
      const full = fc.shuffledSubarray(all, {minLength: topK, maxLength: topK});
      const gaps = fc
        .tuple(full, fc.array(fc.boolean(), {minLength: topK, maxLength: topK}))
        .map(([row, made]) => row.map((e, k) => (made[k] ? e : -1)));
      const token = fc.oneof(
        {weight: 6, arbitrary: full},
        {weight: 1, arbitrary: gaps},
        fc.constant(new Array(topK).fill(-1)),
      );
      const perToken = {minLength: numTokens, maxLength: numTokens};
      return fc.record({
        indices: fc.array(token, perToken),
        numExperts: fc.constant(numExperts),
        capacity: fc.option(fc.integer({min: 1, max: numTokens + 2}), {nil: undefined}),
        weights: fc.array(fc.array(weight, {minLength: topK, maxLength: topK}), perToken),
        uniforms: fc.array(
          fc.integer({min: 1, max: 99}).map(n => n / 100),
          perToken,
        ),
      });
    }),
  );
