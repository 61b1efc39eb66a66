// Assignments for the tests of dispatch and combine, and what both should give, by loops over plain arrays.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {seeded} from 'tfjs-moe/estimators';
import type {Assignment} from '../../src/router/types.js';

/** An assignment as lists: the expert and the place of each choice, token by token. */
export interface Case {
  T: number;
  K: number;
  E: number;
  C: number;
  /** Width of the rows. */
  D: number;
  experts: number[];
  positions: number[];
}

/** A case from the experts that the choices want, -1 for none; places are given out in `order`, and from C on choices are dropped. */
export function assigned(
  sizes: {T: number; K: number; E: number; C: number; D: number},
  wanted: readonly number[],
  order: readonly number[] = wanted.map((_, choice) => choice),
): Case {
  const used = new Array<number>(sizes.E).fill(0);
  const experts = [...wanted];
  const positions = wanted.map(() => -1);
  for (const choice of order) {
    const expert = wanted[choice]!;
    if (expert === -1) continue;
    if (used[expert]! < sizes.C) positions[choice] = used[expert]!++;
    else experts[choice] = -1;
  }
  return {...sizes, experts, positions};
}

/** Any case: one token or one expert, k = E, experts without tokens, all tokens on one, all dropped, widths and capacities of 0. */
export const anyCase: fc.Arbitrary<Case> = fc
  .record({T: fc.integer({min: 0, max: 9}), E: fc.integer({min: 1, max: 4}), C: fc.nat({max: 9}), D: fc.nat({max: 5})})
  .chain(sizes => fc.integer({min: 1, max: sizes.E}).map(K => ({...sizes, K})))
  .chain(sizes => {
    const range = Array.from({length: sizes.E}, (_, e) => e);
    const ofToken = fc.oneof(
      {weight: 4, arbitrary: fc.shuffledSubarray(range, {minLength: sizes.K, maxLength: sizes.K})},
      fc.constant(new Array<number>(sizes.K).fill(-1)),
      fc
        .shuffledSubarray(range, {minLength: sizes.K, maxLength: sizes.K})
        .map(chosen => chosen.map((e, j) => (j % 2 ? -1 : e))),
    );
    const tokens = fc.array(ofToken, {minLength: sizes.T, maxLength: sizes.T});
    const alike = ofToken.map(first => new Array<number[]>(sizes.T).fill(first));
    return fc.tuple(fc.oneof({weight: 3, arbitrary: tokens}, alike), fc.nat()).map(([choices, seed]) => {
      const wanted = choices.flat();
      const keys = seeded(seed).uniform(wanted.length);
      const order = wanted.map((_, choice) => choice).sort((a, b) => keys[a]! - keys[b]!);
      return assigned(sizes, wanted, order);
    });
  });

/** The case as the library has it. */
export function assignmentOf({T, K, E, C, experts, positions}: Case): Assignment {
  return {
    numExperts: E,
    capacity: C,
    experts: tf.tensor2d(experts, [T, K], 'int32'),
    positions: tf.tensor2d(positions, [T, K], 'int32'),
  };
}

/** Each choice that has a place: its number, its token and e C + c. */
export function placed({K, C, experts, positions}: Case): {choice: number; token: number; place: number}[] {
  return experts.flatMap((expert, choice) =>
    expert === -1 ? [] : [{choice, token: Math.floor(choice / K), place: expert * C + positions[choice]!}],
  );
}

/** What stands in the places, [E C, D]. */
export function slowDispatch(c: Case, tokens: ArrayLike<number>): number[] {
  const buffers = new Array<number>(c.E * c.C * c.D).fill(0);
  for (const {token, place} of placed(c)) {
    for (let d = 0; d < c.D; ++d) buffers[place * c.D + d] = tokens[token * c.D + d]!;
  }
  return buffers;
}

/** sum_j weights_tj outputs[place of choice j], [T, D]. */
export function slowCombine(c: Case, outputs: ArrayLike<number>, weights: ArrayLike<number>): number[] {
  const y = new Array<number>(c.T * c.D).fill(0);
  for (const {choice, token, place} of placed(c)) {
    for (let d = 0; d < c.D; ++d) y[token * c.D + d]! += weights[choice]! * outputs[place * c.D + d]!;
  }
  return y;
}

/** The gradient of <dy, combine> with respect to the outputs, [E C, D], and to the weights, [T K]. */
export function slowCombineGradient(
  c: Case,
  outputs: ArrayLike<number>,
  gradientWeights: ArrayLike<number>,
  dy: ArrayLike<number>,
): {ofOutputs: number[]; ofWeights: number[]} {
  const ofOutputs = new Array<number>(c.E * c.C * c.D).fill(0);
  const ofWeights = new Array<number>(c.T * c.K).fill(0);
  for (const {choice, token, place} of placed(c)) {
    for (let d = 0; d < c.D; ++d) {
      ofOutputs[place * c.D + d] = gradientWeights[choice]! * dy[token * c.D + d]!;
      ofWeights[choice]! += dy[token * c.D + d]! * outputs[place * c.D + d]!;
    }
  }
  return {ofOutputs, ofWeights};
}

/** Rows of [E C, D] that hold a choice, in order: expert by expert, place by place. */
export function compact(c: Case, buffers: ArrayLike<number>): number[] {
  const places = placed(c)
    .map(({place}) => place)
    .sort((a, b) => a - b);
  return places.flatMap(place => Array.from({length: c.D}, (_, d) => buffers[place * c.D + d]!));
}
