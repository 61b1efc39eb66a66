// The file of a sweep: what is read from it, and what is refused.
// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {checkSpec, readSpec} from '../../examples/sweep/spec.js';

const LEAST = {program: 'polynomial', figure: 'loss', goal: 'least'};
const check = (further: object) => checkSpec({...LEAST, ...further}, {path: 'a.json', name: 'a'});

describe('the file of a sweep', () => {
  it('needs a program, a figure and a goal; the rest has defaults, and the name is that of the file', () => {
    expect(check({})).toEqual({...LEAST, name: 'a', options: {}, grid: {}, seeds: 1, also: [], by: []});
    expect(check({name: 'b', random: {draws: 2, ranges: {}}})).toMatchObject({name: 'b', random: {draws: 2, seed: 0}});
  });

  it('is refused with the place, what is expected there and what was found', () => {
    const cases: [object, string][] = [
      [{goal: 'lowest'}, 'goal: Invalid option: expected one of "least"|"greatest", but got "lowest"'],
      [{seeds: 0}, 'seeds: expected a whole number of at least 1, but got 0'],
      [{seeds: 1.5}, 'seeds: expected a whole number of at least 1, or a list of seeds, but got 1.5'],
      [{seeds: [3, 3]}, 'seeds: expected no seed twice, but got [3,3]'],
      [{sedes: 1}, 'the sweep: Unrecognized key: "sedes"'],
      [{grid: {p: []}}, 'grid.p'],
      [{grid: {p: 2}}, 'grid.p: Invalid input: expected array, received number, but got 2'],
      [{options: {'--p': 2}}, 'options.--p'],
      [
        {random: {draws: 1, ranges: {p: {log: [0, 1]}}}},
        'random.ranges.p.log: expected numbers above 0, but got [0,1]',
      ],
      [
        {random: {draws: 1, ranges: {p: {linear: [1, 0]}}}},
        'random.ranges.p.linear: expected the lesser number first, but got [1,0]',
      ],
      [{random: {draws: 1, ranges: {p: {uniform: [0, 1]}}}}, 'random.ranges.p: expected {"linear": [a, b]}'],
      [{halving: {option: 'steps', from: 4, to: 4}}, 'halving: expected from to be less than to'],
      [{name: '..'}, 'name: expected letters, digits, dots and dashes, as in the name of a folder, but got ".."'],
      [{figure: 'test loss'}, 'figure: expected the name of a figure'],
    ];
    for (const [further, words] of cases) {
      expect(() => check(further), JSON.stringify(further)).toThrow('sweep: a.json is not a sweep:');
      expect(() => check(further), JSON.stringify(further)).toThrow(words);
    }
  });

  it('sets no option twice, and none that the sweep sets itself', () => {
    expect(() => check({options: {p: 1}, grid: {p: [1, 2]}})).toThrow('both options and grid.p set the option p');
    expect(() => check({grid: {method: [{p: 1}], p: [2]}})).toThrow('both grid.method and grid.p set the option p');
    expect(() => check({grid: {p: [2]}, random: {draws: 1, ranges: {p: {choice: [1]}}}})).toThrow(
      'both grid.p and random.ranges set',
    );
    expect(() => check({options: {steps: 3}, halving: {option: 'steps', from: 1, to: 2}})).toThrow(
      'both options and halving set',
    );
    expect(() => check({options: {seed: 3}})).toThrow('options sets the option seed, which seeds are there for');
    expect(() => check({grid: {output: ['x']}})).toThrow(
      'grid.output sets the option output, which the sweep sets itself',
    );
  });

  it('compares by options that it varies, and not under halving, where all compete', () => {
    expect(() => check({by: ['p'], options: {p: 2}})).toThrow(
      'by names p, which is not an option that the grid or the draws vary',
    );
    const halving = {option: 'steps', from: 1, to: 2};
    expect(() => check({by: ['p'], grid: {p: [1, 2]}, halving})).toThrow('so they cannot be compared by p only');
    expect(check({by: ['p'], grid: {method: [{p: 2}, {p: 3}]}}).by).toEqual(['p']);
  });

  it('is refused in a line where it cannot be read or is no JSON', async () => {
    await expect(readSpec('test/sweep/none.json')).rejects.toThrow(
      'sweep: test/sweep/none.json cannot be read: ENOENT',
    );
    await expect(readSpec('README.md')).rejects.toThrow('sweep: README.md is not valid JSON');
  });
});
