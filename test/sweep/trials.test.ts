// From a sweep to its trials.
// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {checkSpec} from '../../examples/sweep/spec.js';
import {describeTrial, listSettings, trialWords} from '../../examples/sweep/trials.js';

const sweep = (further: object) =>
  checkSpec({program: 'polynomial', figure: 'loss', goal: 'least', ...further}, {path: 'a.json', name: 'a'});
const list = (further: object) => listSettings(sweep(further));
const variedOf = (further: object) => list(further).map(({varied}) => varied);

describe('the trials of a sweep', () => {
  it('are each combination of the grid, the last axis fastest, with each seed', () => {
    const settings = list({grid: {p: [2, 3], estimator: ['a', 'b']}, options: {steps: 5}, seeds: 2});
    expect(settings.map(({varied}) => varied)).toEqual([
      {p: 2, estimator: 'a'},
      {p: 2, estimator: 'b'},
      {p: 3, estimator: 'a'},
      {p: 3, estimator: 'b'},
    ]);
    expect(settings[0]!.trials.map(({options, seed}) => [options, seed])).toEqual([
      [{steps: 5, p: 2, estimator: 'a'}, 0],
      [{steps: 5, p: 2, estimator: 'a'}, 1],
    ]);
    expect(list({seeds: [7, 3]})[0]!.trials.map(({seed}) => seed)).toEqual([7, 3]);
  });

  it('may vary options together', () => {
    const grid = {method: [{estimator: 'a', temperature: 0.1}, {estimator: 'b'}], p: [2]};
    expect(variedOf({grid})).toEqual([
      {estimator: 'a', temperature: 0.1, p: 2},
      {estimator: 'b', p: 2},
    ]);
  });

  it('draw each option within its range, the logarithm evenly', () => {
    const ranges = {l: {log: [1e-4, 1]}, u: {linear: [-1, 3]}, c: {choice: ['x', 'y', 'z', 'w']}};
    const drawn = variedOf({random: {draws: 2000, ranges}});
    // A mean of n draws lies within 5 standard errors of the expectation but once in 1.7 million times.
    const meanOf = (of: (draw: (typeof drawn)[number]) => number) =>
      drawn.map(of).reduce((a, b) => a + b) / drawn.length;
    const error = (width: number) => (5 * width) / Math.sqrt(12 * drawn.length);
    expect(Math.abs(meanOf(({l}) => Math.log10(l as number)) + 2)).toBeLessThan(error(4));
    expect(Math.abs(meanOf(({u}) => u as number) - 1)).toBeLessThan(error(4));
    for (const {l, u} of drawn) {
      expect(l).toBeGreaterThanOrEqual(1e-4);
      expect(l).toBeLessThanOrEqual(1);
      expect(u).toBeGreaterThanOrEqual(-1);
      expect(u).toBeLessThanOrEqual(3);
    }
    for (const letter of 'xyzw') {
      const share = meanOf(({c}) => (c === letter ? 1 : 0));
      expect(Math.abs(share - 1 / 4)).toBeLessThan(5 * Math.sqrt(3 / 16 / drawn.length));
    }
  });

  it('draw the same again, whatever else is drawn, and other values by another seed', () => {
    const rate = {log: [1e-4, 1]};
    const alone = variedOf({random: {draws: 5, ranges: {rate}}});
    const both = variedOf({random: {draws: 8, ranges: {other: {linear: [0, 1]}, rate}}});
    expect(both.slice(0, 5).map(draw => draw.rate)).toEqual(alone.map(draw => draw.rate));
    const others = variedOf({random: {draws: 5, seed: 1, ranges: {rate}}});
    expect(others.filter(({rate}, i) => rate === alone[i]!.rate)).toEqual([]);
  });

  it('have names that follow from program, options and seed alone, whatever the order of the options', () => {
    const ids = (further: object) => list(further).flatMap(({trials}) => trials.map(({id}) => id));
    const [first] = ids({options: {p: 2, steps: 3}});
    expect(ids({name: 'other', options: {steps: 3}, grid: {p: [2]}, seeds: 2})[0]).toBe(first);
    const others = [
      ...ids({options: {p: 2, steps: 4}}),
      ...ids({options: {p: '2', steps: 3}}),
      ...ids({options: {p: 2, steps: 3}, seeds: [1]}),
      ...ids({program: 'listops', options: {p: 2, steps: 3}}),
    ];
    expect(new Set([first, ...others]).size).toBe(5);
  });

  it('are refused where two settings are the same', () => {
    expect(() => list({grid: {p: [2, 2]}})).toThrow('sweep: two settings are the same: p 2.');
  });

  it('become the words of a command: true is an option without a value, false none', () => {
    const [{trials}] = list({
      options: {resumeless: true, quiet: false, 'batch-size': 8},
      grid: {p: [1.5]},
      seeds: [4],
    }) as [ReturnType<typeof list>[number]];
    expect(trialWords(trials[0]!, {steps: 9})).toEqual(
      'polynomial --resumeless --batch-size 8 --p 1.5 --steps 9 --seed 4'.split(' '),
    );
    expect(describeTrial(trials[0]!)).toBe('p 1.5, seed 4');
  });
});
