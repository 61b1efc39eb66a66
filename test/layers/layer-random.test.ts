import {expect, test} from 'vitest';
import {layerRandom} from '../../src/layers/layer-random.js';

test('the seeds of initial weights and the noise of steps are independent', () => {
  const random = layerRandom(3, 'a');
  const steps = [0, 1, 2].map(step => 1 + Math.floor(random.atStep(step).uniform(1)[0]! * 2 ** 31));
  const seeds = [0, 1, 2].map(index => random.childSeed(index));
  expect(new Set([...steps, ...seeds]).size).toBe(6);
});

test('a seed of initial weights is a whole number above 0', () => {
  for (let index = 0; index < 100; ++index) {
    const seed = layerRandom(0, 'a').childSeed(index)!;
    expect(Number.isInteger(seed) && seed > 0).toBe(true);
  }
  expect(layerRandom(undefined, 'a').childSeed(0)).toBe(undefined);
});
