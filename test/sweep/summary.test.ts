// What a sweep says it found: statistics, the best setting, tables and charts.
// SPDX-License-Identifier: Apache-2.0
import {describe, expect, it} from 'vitest';
import {renderChart} from '../../examples/shared/charts.js';
import {sweepChart} from '../../examples/sweep/chart.js';
import {openLedger} from '../../examples/sweep/ledger.js';
import {formatDuration} from '../../examples/sweep/live-table.js';
import {describeSummary} from '../../examples/sweep/report.js';
import {checkSpec} from '../../examples/sweep/spec.js';
import {statisticsOf, summarise} from '../../examples/sweep/summary.js';
import {figureOf, type TrialState} from '../../examples/sweep/trial-folder.js';
import {listSettings, type Trial} from '../../examples/sweep/trials.js';

/** The books of a sweep of which some trials have ended. */
function ledgerOf(value: object, stateOf: (trial: Trial) => Partial<TrialState> | undefined) {
  const spec = checkSpec({program: 'polynomial', figure: 'loss', goal: 'least', ...value}, {path: 'a.json', name: 'a'});
  const settings = listSettings(spec);
  const states = settings.flatMap(({trials}) => trials.map(trial => [trial.id, stateOf(trial)] as const));
  const known = new Map<string, TrialState>();
  for (const [id, state] of states) if (state) known.set(id, {reached: [], deaths: [], ...state});
  return openLedger(spec, settings, known);
}
const reached = (loss: number, until: number | null = null) => ({sentTo: until, reached: [{until, figures: {loss}}]});

describe('what a sweep found', () => {
  it('is mean, deviation of the sample and standard error of the mean', () => {
    // 2, 4, 6: deviations from 4 are 2, 0, 2, so the variance is 8 / 2.
    expect(statisticsOf([2, 4, 6])).toEqual({mean: 4, deviation: 2, standardError: 2 / Math.sqrt(3)});
    expect(statisticsOf([3])).toEqual({mean: 3, deviation: null, standardError: null});
  });

  it('counts the seeds that are finished, and says which trials failed and how', () => {
    const ledger = ledgerOf({grid: {p: [1, 2]}, seeds: 3}, ({varied, seed}) => {
      if (varied.p === 1) return seed < 2 ? reached(seed) : undefined;
      return seed === 0 ? {sentTo: null, deaths: ['a', 'b', 'SIGKILL\nno memory']} : undefined;
    });
    const summary = summarise(ledger);
    expect(summary.settings).toEqual([
      {options: {p: 1}, seeds: [0, 1], figures: {loss: {mean: 0.5, deviation: Math.SQRT1_2, standardError: 0.5}}},
    ]);
    expect(summary).toMatchObject({finished: 2, trials: 6, best: [{p: 1}]});
    expect(summary.failed).toEqual([{options: {p: 2}, seed: 0, lastWords: 'SIGKILL\nno memory'}]);
    const text = describeSummary(ledger, summary);
    expect(text).toContain('a: 2 of 6 trials finished, 1 failed');
    expect(text).toContain('failed three times: p 2, seed 0. Its last words:\n  SIGKILL\n  no memory');
  });

  it('has its best by the goal, under halving only among those that trained longest', () => {
    const losses = (trial: Trial) => reached(Number(trial.varied.p));
    expect(summarise(ledgerOf({grid: {p: [3, 1, 2]}}, losses)).best).toEqual([{p: 1}]);
    expect(summarise(ledgerOf({grid: {p: [1, 3, 2]}, goal: 'greatest'}, losses)).best).toEqual([{p: 3}]);
    const halving = {option: 'steps', from: 1, to: 9, factor: 3};
    const lengths: Record<number, number> = {1: 1, 2: 3, 3: 9, 4: 9};
    const summary = summarise(
      ledgerOf({grid: {p: [1, 2, 3, 4]}, halving}, ({varied}) => reached(Number(varied.p), lengths[Number(varied.p)])),
    );
    expect(summary.best).toEqual([{p: 3, steps: 9}]);
    // 1 + 3 + 9 + 9 of 4 times 9 steps.
    expect(summary).toMatchObject({share: 22 / 36, finished: 2});
  });

  it('has a best setting for each group of those that are compared, and a panel for it', async () => {
    const grid = {p: [1, 2], rate: [0.1, 0.2]};
    const ledger = ledgerOf({grid, by: ['p']}, ({varied}) => reached(Number(varied.p) * (1 - Number(varied.rate))));
    expect(summarise(ledger).best).toEqual([
      {p: 1, rate: 0.2},
      {p: 2, rate: 0.2},
    ]);
    const chart = await renderChart(sweepChart(ledger.spec, summarise(ledger)));
    for (const text of ['p 1', 'p 2', 'rate 0.1']) expect(chart).toContain(`>${text}</text>`);
  });

  it('finds a figure by its name or the way to it, and names those that there are', () => {
    const figures = {loss: 1, test: {accuracy: 0.5, trees: {f1: 3}, byLength: [1]}, note: 'x', none: null};
    expect(figureOf(figures, 'loss')).toBe(1);
    expect(figureOf(figures, 'test.trees.f1')).toBe(3);
    const numbers = 'Its numbers are: loss, test.accuracy, test.trees.f1.';
    expect(() => figureOf(figures, 'lost')).toThrow(`sweep: the result has no number lost. ${numbers}`);
    expect(() => figureOf(figures, 'note')).toThrow(`sweep: the result has no number note, it has "x". ${numbers}`);
    expect(() => figureOf(figures, 'none.a')).toThrow('sweep: the result has no number none.a');
  });

  it('is drawn along the number that varies most, or as a row a setting', async () => {
    const draw = async (grid: object) => {
      const ledger = ledgerOf({grid, seeds: 2}, ({varied, seed}) => reached(Number(varied.temperature ?? 1) + seed));
      return renderChart(sweepChart(ledger.spec, summarise(ledger)));
    };
    const lines = await draw({estimator: ['reinmax', 'stgs'], temperature: [0.1, 1, 10]});
    // An axis of that title, and a legend of the words.
    for (const text of ['temperature', 'loss', 'reinmax', 'stgs']) expect(lines).toContain(`>${text}</text>`);
    const rows = await draw({estimator: ['reinmax', 'stgs'], p: [2, 3]});
    for (const text of ['reinmax, p 2', 'stgs, p 3']) expect(rows).toContain(`>${text}</text>`);
  });

  it('tells times as people write them', () => {
    expect([0, 59_400, 61_000, 3_725_000].map(formatDuration)).toEqual(['0 s', '59 s', '1:01', '1:02:05']);
  });
});
