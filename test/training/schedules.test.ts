import {constantSchedule, cosineSchedule, exponentialSchedule, linearSchedule, type Schedule} from 'tfjs-moe/training';
import {describe, expect, test} from 'vitest';

/** Decimals: a few operations in float64. */
const DECIMALS = 14;

describe('a schedule', () => {
  test('that is constant has one value', () => {
    expect([0, 1, 1e6].map(constantSchedule(0.7))).toEqual([0.7, 0.7, 0.7]);
  });

  test('that is linear goes from one value to the other and stays', () => {
    // 2 - 1.5 * step / 10.
    expect([0, 2, 5, 10, 11, 1e6].map(linearSchedule({from: 2, to: 0.5, steps: 10}))).toEqual([
      2, 1.7, 1.25, 0.5, 0.5, 0.5,
    ]);
  });

  test('that is a cosine goes from one value to the other and stays', () => {
    // cos(pi / 3) = 1/2 at a third of the way, so 1 + 2 * (1 + 1/2) / 2 = 2.5; 1 + 2 * (1 - 1/2) / 2 = 1.5 at two
    // thirds.
    const schedule = cosineSchedule({from: 3, to: 1, steps: 12});
    const values = [0, 4, 6, 8, 12, 13, 1e6].map(schedule);
    [3, 2.5, 2, 1.5, 1, 1, 1].forEach((expected, i) => {
      expect(values[i]).toBeCloseTo(expected, DECIMALS);
    });
  });

  test('may rise', () => {
    expect(linearSchedule({from: 1, to: 3, steps: 4})(1)).toBe(1.5);
    expect(cosineSchedule({from: 1, to: 3, steps: 4})(2)).toBeCloseTo(2, DECIMALS);
  });

  test('that is exponential falls in stairs down to its minimum', () => {
    // exp(-.1 s) with s = 0, 0, 5, 5, 10: 1, 1, e^-.5, e^-.5, e^-1 = .3679, which is below .4.
    const schedule = exponentialSchedule({from: 1, rate: 0.1, minimum: 0.4, every: 5});
    const values = [0, 4, 5, 9, 10, 1e6].map(schedule);
    [1, 1, Math.exp(-0.5), Math.exp(-0.5), 0.4, 0.4].forEach((expected, i) => {
      expect(values[i]).toBeCloseTo(expected, DECIMALS);
    });
  });

  test('that is exponential changes at each step by default', () => {
    const schedule = exponentialSchedule({from: 2, rate: 0.01, minimum: 0.5});
    expect(schedule(7)).toBeCloseTo(2 * Math.exp(-0.07), DECIMALS);
    expect(schedule(1e9)).toBe(0.5);
  });

  test.each([
    ['constantSchedule', constantSchedule(1)],
    ['linearSchedule', linearSchedule({from: 2, to: 1, steps: 5})],
    ['cosineSchedule', cosineSchedule({from: 2, to: 1, steps: 5})],
    ['exponentialSchedule', exponentialSchedule({from: 2, rate: 1, minimum: 1})],
  ] as [string, Schedule][])('%s refuses a step that is negative or not finite', (name, schedule) => {
    for (const step of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => schedule(step)).toThrow(`${name}: step must be a finite number of at least 0, but got ${step}.`);
    }
  });

  test.each([
    [() => constantSchedule(0), 'constantSchedule: value must be a positive finite number, but got 0.'],
    [
      () => linearSchedule({from: -1, to: 1, steps: 5}),
      'linearSchedule: from must be a positive finite number, but got -1.',
    ],
    [
      () => linearSchedule({from: 1, to: Number.NaN, steps: 5}),
      'linearSchedule: to must be a positive finite number, but got NaN.',
    ],
    [
      () => cosineSchedule({from: 1, to: 2, steps: 0}),
      'cosineSchedule: steps must be a whole number of at least 1, but got 0.',
    ],
    [
      () => exponentialSchedule({from: 1, rate: -1, minimum: 0.5}),
      'exponentialSchedule: rate must be a finite number of at least 0, but got -1.',
    ],
    [
      () => exponentialSchedule({from: 1, rate: 1, minimum: 0}),
      'exponentialSchedule: minimum must be a positive finite number, but got 0.',
    ],
    [
      () => exponentialSchedule({from: 1, rate: 1, minimum: 2}),
      'exponentialSchedule: minimum (=2) must not exceed from (=1).',
    ],
    [
      () => exponentialSchedule({from: 1, rate: 1, minimum: 0.5, every: 1.5}),
      'exponentialSchedule: every must be a whole number of at least 1, but got 1.5.',
    ],
  ])('refuses a bad argument: %#', (make, message) => {
    expect(make).toThrow(message);
  });
});
