import {seeded} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {standardNormal} from '../../src/random/normal.js';
import {eachBackend} from '../support/each-backend.js';
import {expectFinite, list} from '../support/expect-close.js';
import {injected} from '../support/injected.js';

eachBackend('normal noise', () => {
  test('is finite at the ends of the uniforms, and of any shape', () => {
    expectFinite(standardNormal([3], injected([2 ** -33, 0.3, 1 - 2 ** -33, 0.9])));
    expect(standardNormal([2, 3], seeded(1)).shape).toEqual([2, 3]);
  });

  test('has the first four moments of a standard normal variable', () => {
    // Means of x, x^2, x^3 and x^4 are 0, 1, 0 and 3, with deviations 1, sqrt 2, sqrt 15 and sqrt 96 over sqrt n; 5 of them.
    const n = 50_001;
    const values = list(standardNormal([n], seeded(3)));
    for (const [power, mean, variance] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 0, 15],
      [4, 3, 96],
    ] as const) {
      const moment = values.reduce((sum, x) => sum + x ** power, 0) / n;
      expect(Math.abs(moment - mean)).toBeLessThan(5 * Math.sqrt(variance / n));
    }
  });

  test('neighbours are uncorrelated', () => {
    // The two values of a pair: their products have mean 0 and deviation 1.
    const pairs = 25_000;
    const values = list(standardNormal([2 * pairs], seeded(4)));
    let sum = 0;
    for (let i = 0; i < pairs; ++i) sum += values[2 * i]! * values[2 * i + 1]!;
    expect(Math.abs(sum)).toBeLessThan(5 * Math.sqrt(pairs));
  });
});
