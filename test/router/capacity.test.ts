import {describe, expect, test} from 'vitest';
import {expertCapacity} from '../../src/router/capacity.js';

type Formula = (T: number, E: number, k: number, cf: number) => number;

const upTo4 = (x: number) => Math.ceil(x / 4) * 4;

/**
 * What programs compute for T tokens, E experts, k choices and a capacity factor cf: the formula, its value for T = 100, E = 8, k = 2,
 * cf = 1.25, whether it counts k, and by how many places its rounding may part from ours. Their minimum of 4 is left out.
 */
const PROGRAMS: [string, Formula, number, boolean, (k: number, cf: number) => number][] = [
  ['Switch, keras-io and Hugging Face', (T, E, _k, cf) => Math.trunc((T / E) * cf), 15, false, () => 1],
  ['flaxformer', (T, E, _k, cf) => Math.round((cf * T) / E), 16, false, () => 1],
  ['TensorFlow Model Garden', (T, E, _k, cf) => Math.round((cf * T) / E), 16, false, () => 1],
  ['V-MoE', (T, E, k, cf) => upTo4(Math.ceil((cf * T * k) / E)), 32, true, () => 3],
  ['DeepSpeed, top-1', (T, E, _k, cf) => Math.ceil((T / E) * cf), 16, false, () => 0],
  ['DeepSpeed, top-k', (T, E, k, cf) => Math.ceil((T / E) * cf * k), 32, true, () => 0],
  ['Tutel', (T, E, k, cf) => k * Math.trunc(cf * Math.ceil(T / E)), 32, true, (k, cf) => k * Math.max(1, cf)],
  ['MegaBlocks', (T, E, k, cf) => Math.trunc((cf * k * T) / E), 31, true, () => 1],
  ['Megatron', (T, E, k, cf) => Math.ceil(((T * k) / E) * cf), 32, true, () => 0],
  ['Mesh TensorFlow and lucidrains', (T, E, _k, cf) => Math.trunc((T * cf) / E), 15, false, () => 1],
  ['praxis', (T, E, _k, cf) => upTo4(Math.trunc((T * cf) / E)), 16, false, () => 3],
  ['FastMoE', (T, E, k, cf) => Math.floor((Math.ceil(cf * T) * k) / E), 31, true, () => 1],
];

describe('expertCapacity', () => {
  test('counts the choices of a token, and rounds up', () => {
    // 1.25 * 2 * 100 / 8 = 31.25.
    expect(expertCapacity(100, 8, {topK: 2, capacityFactor: 1.25})).toBe(32);
    expect(expertCapacity(100, 8, {capacityFactor: 1.25})).toBe(16);
  });

  test.each(PROGRAMS)('is the capacity of %s up to their rounding', (_name, formula, value, countsK, rounding) => {
    expect(formula(100, 8, 2, 1.25)).toBe(value);
    for (const [T, E, k] of [
      [100, 8, 2],
      [64, 4, 1],
      [97, 7, 3],
      [1000, 16, 2],
    ] as const) {
      for (const cf of [1, 1.25, 1.5, 2]) {
        // A program that does not count k is matched by leaving topK at 1.
        const ours = expertCapacity(T, E, {topK: countsK ? k : 1, capacityFactor: cf});
        expect(Math.abs(ours - formula(T, E, k, cf)), `T=${T} E=${E} k=${k} cf=${cf}`).toBeLessThanOrEqual(
          rounding(k, cf),
        );
      }
    }
  });

  test('gives no place for the dust of floating-point products', () => {
    expect((1.1 * 2 * 100) / 4).toBeGreaterThan(55);
    expect(expertCapacity(100, 4, {topK: 2, capacityFactor: 1.1})).toBe(55);
    // Every multiple of a hundredth that makes a whole number of places of 100 tokens and 4 experts makes exactly that.
    for (let places = 1; places <= 100; ++places) {
      expect(expertCapacity(100, 4, {capacityFactor: places / 25})).toBe(places);
      expect(expertCapacity(100, 4, {capacityFactor: places * 0.04})).toBe(places);
    }
  });

  test('gives a place for any fraction that is more than dust', () => {
    expect(expertCapacity(1000, 8, {capacityFactor: 1.000001})).toBe(126);
    expect(expertCapacity(1000, 8, {capacityFactor: 1e-9})).toBe(1);
  });

  test('is at least minCapacity and at most the number of tokens', () => {
    expect(expertCapacity(100, 50, {capacityFactor: 1, minCapacity: 4})).toBe(4);
    expect(expertCapacity(100, 10, {capacityFactor: 1, minCapacity: 4})).toBe(10);
    expect(expertCapacity(3, 8, {capacityFactor: 1, minCapacity: 4})).toBe(3);
    expect(expertCapacity(16, 2, {capacityFactor: 4})).toBe(16);
    expect(expertCapacity(16, 2, {capacityFactor: 0, minCapacity: 5})).toBe(5);
  });

  test('is 0 where there are no tokens', () => {
    expect(expertCapacity(0, 8, {capacityFactor: 1.25, minCapacity: 4})).toBe(0);
  });

  test('refuses a capacity of 0 for tokens that are there', () => {
    expect(() => expertCapacity(16, 4, {capacityFactor: 0})).toThrow(
      'expertCapacity: capacityFactor (=0) and minCapacity (=0) leave no place for 16 tokens. ' +
        'Give a positive capacityFactor, or no capacity at all, which drops nothing.',
    );
  });

  test('refuses what is not a count or a factor', () => {
    const capacityFactor = 1;
    expect(() => expertCapacity(-1, 4, {capacityFactor})).toThrow(
      'expertCapacity: numTokens must be a whole number of at least 0, but got -1.',
    );
    expect(() => expertCapacity(1, 0, {capacityFactor})).toThrow(
      'expertCapacity: numExperts must be a whole number of at least 1, but got 0.',
    );
    expect(() => expertCapacity(1, 4, {capacityFactor, topK: 5})).toThrow(
      'expertCapacity: topK (=5) must not exceed numExperts (=4).',
    );
    expect(() => expertCapacity(1, 4, {capacityFactor, minCapacity: 0.5})).toThrow(
      'expertCapacity: minCapacity must be a whole number of at least 0, but got 0.5.',
    );
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => expertCapacity(1, 4, {capacityFactor: bad})).toThrow(
        `expertCapacity: capacityFactor must be a finite number of at least 0, but got ${bad}.`,
      );
    }
  });
});
