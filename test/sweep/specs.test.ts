// The sweeps that the repository holds: each is one, and its program takes the options of all its trials.
// SPDX-License-Identifier: Apache-2.0
import {readdirSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {checkOptions} from '../../examples/sweep/check-options.js';
import {readSpec} from '../../examples/sweep/spec.js';
import {listSettings} from '../../examples/sweep/trials.js';

const FOLDER = 'examples/sweeps';
const files = readdirSync(FOLDER);
const countTrials = async (name: string) =>
  listSettings(await readSpec(`${FOLDER}/${name}.json`)).flatMap(({trials}) => trials).length;

describe('the sweeps of the repository', () => {
  it.each(files)('%s is taken by its program', async file => {
    const spec = await readSpec(`${FOLDER}/${file}`);
    await expect(checkOptions(spec, listSettings(spec))).resolves.toBeUndefined();
  });

  it('polynomial has 60 trials, and the temperature study the 140 of its figure', async () => {
    expect(await countTrials('polynomial')).toBe(60);
    // 4 sizes, 5 methods, 7 temperatures.
    expect(await countTrials('temperature')).toBe(140);
  });
});

describe('the options of a sweep', () => {
  const spec = {
    name: 'a',
    program: 'polynomial',
    options: {},
    grid: {},
    seeds: 1,
    also: [],
    figure: 'loss',
    goal: 'least',
  } as const;
  const check = (further: object) => {
    const asked = {...spec, seeds: 1, also: [], by: [], ...further};
    return checkOptions(asked, listSettings(asked));
  };

  it('are refused before anything starts where the program has no such option, or no such value', async () => {
    await expect(check({options: {stpes: 3}})).rejects.toThrow(
      "sweep: polynomial refuses the trial seed 0: error: unknown option '--stpes'",
    );
    await expect(check({grid: {p: [2, -1]}})).rejects.toThrow(
      /polynomial refuses the trial p -1, seed 0: error: option '--p <p>' argument '-1' is invalid/,
    );
    await expect(check({program: 'polynom'})).rejects.toThrow(
      'sweep: there is no program "polynom"; the names are bernoulli-vae, ',
    );
    const halving = {option: 'epochs', from: 1, to: 2, factor: 2};
    await expect(check({halving})).rejects.toThrow("unknown option '--epochs'");
  });
});
