import * as fc from 'fast-check';
import {seeded, unseeded} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {philox4x32} from '../../src/random/philox.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';

test('a seed is the key, and a uniform the midpoint of a word of its blocks', () => {
  const block = new Uint32Array(4);
  philox4x32(Uint32Array.of(0, 0, 0, 0), Uint32Array.of(7, 0), block);
  const first = Array.from(block, word => (word + 0.5) / 2 ** 32);
  philox4x32(Uint32Array.of(1, 0, 0, 0), Uint32Array.of(7, 0), block);
  const second = Array.from(block, word => (word + 0.5) / 2 ** 32);
  expect(Array.from(seeded(7).uniform(6))).toEqual([...first, ...second.slice(0, 2)]);
});

test('the same seed gives the same stream, and another seed another', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.maxSafeInteger(), (a, b) => {
      fc.pre(a !== b);
      expect(seeded(a).uniform(8)).toEqual(seeded(a).uniform(8));
      expect(seeded(a).uniform(8)).not.toEqual(seeded(b).uniform(8));
    }),
    {seed: 1},
  );
});

test('seeds and ids count with all their bits', () => {
  const draws = [1, 1 + 2 ** 32, -1, 2 ** 32 - 1]
    .flatMap(n => [seeded(n), seeded(0).split(n)])
    .map(source => source.uniform(2));
  expect(new Set(draws.map(String)).size).toBe(8);
});

test('a child is keyed by a block of its own kind, which is no draw of the parent', () => {
  const block = new Uint32Array(4);
  philox4x32(Uint32Array.of(5, 0, 0, 1), Uint32Array.of(7, 0), block); // the last counter word is 1 for children, 0 for draws
  const key = block.slice(0, 2);
  philox4x32(Uint32Array.of(0, 0, 0, 0), key, block);
  expect(Array.from(seeded(7).split(5).uniform(4))).toEqual(Array.from(block, word => (word + 0.5) / 2 ** 32));
});

test('a stream goes on where it stopped and never repeats itself', () => {
  const source = seeded(3);
  const draws = [...source.uniform(1000), ...source.uniform(1000), ...source.uniform(1)];
  // 2,001 draws of 32 bits coincide somewhere with probability 2001^2 / 2^33 = 5e-4; with this seed none do.
  expect(new Set(draws).size).toBe(draws.length);
});

test('splitting by the same ids gives the same stream, by others another, and does not advance the parent', () => {
  const parent = seeded(1);
  const before = parent.split(4, 2).uniform(4);
  expect(parent.split(4, 2).uniform(4)).toEqual(before);
  expect(parent.split(4).split(2).uniform(4)).toEqual(before);
  expect(parent.split(2, 4).uniform(4)).not.toEqual(before);
  expect(parent.uniform(4)).toEqual(seeded(1).uniform(4));
  expect(parent.uniform(4)).not.toEqual(seeded(1).uniform(4));
});

test('the streams of neighbouring steps are uncorrelated', () => {
  // The correlation of n independent pairs has deviation 1 / sqrt(n); the bound is 5 of them.
  const n = 20_000;
  const a = seeded(5).split(1, 1).uniform(n);
  const b = seeded(5).split(1, 2).uniform(n);
  let covariance = 0;
  for (let i = 0; i < n; ++i) covariance += (a[i]! - 0.5) * (b[i]! - 0.5);
  expect(Math.abs((covariance / n) * 12)).toBeLessThan(5 / Math.sqrt(n));
});

test('uniforms fill the unit interval evenly and never touch its ends', () => {
  const n = 100_000;
  const draws = seeded(11).uniform(n);
  const counts = new Array<number>(100).fill(0);
  for (const u of draws) {
    expect(u > 0 && u < 1).toBe(true);
    counts[Math.floor(u * 100)]!++;
  }
  expect(chiSquare(counts, new Array<number>(100).fill(n / 100))).toBeLessThan(chiSquareBound(99));
});

test('an unseeded source differs each time', () => {
  expect(unseeded().uniform(4)).not.toEqual(unseeded().uniform(4));
});

test('a seed that is not a whole number is refused', () => {
  expect(() => seeded(0.5)).toThrow(
    'seeded: seed must be a whole number of at most 2^53 - 1 in magnitude, but got 0.5.',
  );
  expect(() => seeded(Number.NaN)).toThrow('but got NaN.');
  expect(() => seeded(1).split(1, -0.5)).toThrow('RandomSource.split: an id must be a whole number');
  expect(() => seeded(1).uniform(-1)).toThrow(
    'RandomSource.uniform: count must be a whole number of at least 0, but got -1.',
  );
});
