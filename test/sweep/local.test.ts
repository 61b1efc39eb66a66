// Sweeps on one machine, by processes of the fake program: nothing is lost and nothing done twice, however they end.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {readdir, readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {afterEach, describe, expect, it} from 'vitest';
import {resultsOf, runSweep, type SweepCase, startSweep, stepsOf, until, writeSweep} from './sweep-process.js';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, {recursive: true, force: true});
});
async function sweepOf(value: object): Promise<SweepCase> {
  const sweep = await writeSweep(value);
  folders.push(sweep.folder);
  return sweep;
}
const count = (steps: number) => Array.from({length: steps}, (_, i) => i + 1);
const total = async (output: string) => Object.values(await stepsOf(output)).flat().length;

const RATES = {grid: {rate: [0.001, 0.01, 0.1]}, seeds: 2, also: ['step']};

describe('a sweep on one machine', {timeout: 120_000}, () => {
  it('runs each trial once and leaves the results, the summary, the table and the chart', async () => {
    const {file, output} = await sweepOf({...RATES, options: {steps: 4}});
    const {exit, text} = await runSweep(['start', file, '--output', output]);
    expect(exit, text).toBe(0);
    // The fake program's loss: (log10 rate + 2)^2 + 1 / 4 + seed / 1000.
    const results = (await resultsOf(output)).map(line => JSON.parse(line));
    expect(results.map(({options, seed, figures}) => [options.rate, seed, figures.loss, figures.step])).toEqual(
      [0.001, 0.01, 0.1].flatMap(rate =>
        [0, 1].map(seed => [rate, seed, (Math.log10(rate) + 2) ** 2 + 0.25 + seed / 1000, 4]),
      ),
    );
    for (const steps of Object.values(await stepsOf(output))) expect(steps).toEqual([1, 2, 3, 4]);
    const summary = JSON.parse(await readFile(join(output, 'summary.json'), 'utf8'));
    expect(summary).toMatchObject({finished: 6, trials: 6, best: [{rate: 0.01}], failed: []});
    // Mean and deviation of .25 and .251.
    const {mean, deviation, standardError} = summary.settings[1].figures.loss;
    expect(mean).toBeCloseTo(0.2505, 12);
    expect(deviation).toBeCloseTo(0.001 / Math.SQRT2, 12);
    expect(standardError).toBeCloseTo(0.0005, 12);
    expect(await readFile(join(output, 'summary.md'), 'utf8')).toContain(
      '| **0.01** | **2** | **0.25050 ± 0.00050 (0.00071)** | **4 ± 0 (0)** |',
    );
    expect(await readFile(join(output, 'summary.svg'), 'utf8')).toMatch(/^<svg.*mean ± standard error/s);
    expect(text).toContain('fake: 6 of 6 trials finished');
  });

  it('runs at most so many trials at a time as it is told', async () => {
    const {file, output} = await sweepOf({...RATES, options: {steps: 4, pause: 40}});
    const {text} = await runSweep(['start', file, '--output', output, '--workers', '1']);
    const running = [...text.matchAll(/(\d+) running/g)].map(match => Number(match[1]));
    expect(running).toEqual([0, 0, 0, 0, 0, 0]); // told when a trial ends, before the next starts
  });

  it('goes on after kills at random moments, to the same results, and no step is done twice for nothing', async () => {
    const options = {steps: 12, pause: 25};
    const undisturbed = await sweepOf({...RATES, options});
    await runSweep(['start', undisturbed.file, '--output', undisturbed.output]);
    const {file, output} = await sweepOf({...RATES, options});
    const goals = [0.2, 0.45, 0.7].map(share => Math.floor(share * 6 * 12 + 5 * Math.random()));
    for (const goal of goals) {
      const sweep = startSweep(['start', file, '--output', output]);
      await until(async () => (await total(output)) >= goal, `${goal} steps are done`);
      sweep.process.kill('SIGKILL');
      expect(await sweep.ended).toBe('SIGKILL');
    }
    const {exit, text} = await runSweep(['start', file, '--output', output]);
    expect(exit, text).toBe(0);
    expect(await resultsOf(output)).toEqual(await resultsOf(undisturbed.output));
    // The programs notice the death of the sweep and save themselves: each step is there once.
    for (const steps of Object.values(await stepsOf(output))) expect(steps).toEqual(count(12));
  });

  it('that is killed takes its trials along: they save themselves and end', async () => {
    const {file, output} = await sweepOf({options: {steps: 200, pause: 50}});
    const sweep = startSweep(['start', file, '--output', output]);
    await until(async () => (await total(output)) >= 2, 'steps are done');
    const [trial] = await readdir(join(output, 'trials'));
    const isRunning = () => existsSync(join(output, 'trials', trial!, 'run.lock'));
    expect(isRunning()).toBe(true);
    sweep.process.kill('SIGKILL');
    await until(() => !isRunning(), 'the trial has ended', 5);
    const {step} = JSON.parse(await readFile(join(output, 'trials', trial!, 'checkpoint.bin'), 'utf8'));
    expect(Object.values(await stepsOf(output))).toEqual([count(step)]);
  });

  it('waits for trials of a killed sweep that still save themselves, and does not count that as a death', async () => {
    const {file, output} = await sweepOf({options: {steps: 2, pause: 5000}});
    const sweep = startSweep(['start', file, '--output', output]);
    await until(async () => (await total(output)) >= 1, 'a step has begun');
    sweep.process.kill('SIGKILL');
    const {exit, text} = await runSweep(['start', file, '--output', output]);
    expect(exit, text).toBe(0);
    expect(text).not.toContain('died');
    expect(Object.values(await stepsOf(output))).toEqual([[1, 2]]);
  });

  it('stops at SIGINT: the trials save themselves, and the same command goes on', async () => {
    const {file, output} = await sweepOf({...RATES, options: {steps: 10, pause: 30}});
    const sweep = startSweep(['start', file, '--output', output]);
    await until(async () => (await total(output)) >= 5, 'steps are done');
    sweep.process.kill('SIGINT');
    expect(await sweep.ended).toBe(130);
    expect(sweep.text()).toContain('Stopped; the same command goes on.');
    const {exit, text} = await runSweep(['start', file, '--output', output]);
    expect(exit, text).toBe(0);
    expect(await resultsOf(output)).toHaveLength(6);
    for (const steps of Object.values(await stepsOf(output))) expect(steps).toEqual(count(10));
  });

  it('tries a trial that died again from its checkpoint, and gives it up after three deaths with its last words', async () => {
    const grid = {dies: [2, 3]};
    const {file, output} = await sweepOf({grid, options: {steps: 6, 'die-at': 4}});
    const {exit, text} = await runSweep(['start', file, '--output', output]);
    expect(exit).toBe(1);
    expect(text).toContain('died (exit code 3), for the first time,');
    expect(text).toContain('failed three times: dies 3, seed 0. Its last words:\n  exit code 3\n');
    expect(text).toContain('  Out of luck at step 4.');
    const results = (await resultsOf(output)).map(line => JSON.parse(line).options.dies);
    expect(results).toEqual([2]);
    const steps = Object.values(await stepsOf(output)).sort((a, b) => a.length - b.length);
    expect(steps).toEqual([count(4), count(6)]);
    // Started again it is not tried again, unless that is asked for; by now it would live.
    const again = await runSweep(['start', file, '--output', output]);
    expect(again.exit).toBe(1);
    expect(again.text).toContain('1 of 2 trials finished, 1 failed');
    const retried = await runSweep(['start', file, '--output', output, '--retry']);
    expect(retried.exit, retried.text).toBe(0);
    expect(await resultsOf(output)).toHaveLength(2);
  });

  it('is refused while another process runs the same sweep', async () => {
    const {file, output} = await sweepOf({options: {steps: 100, pause: 50}});
    const sweep = startSweep(['start', file, '--output', output]);
    await until(async () => (await total(output)) >= 1, 'the first has begun');
    const second = await runSweep(['start', file, '--output', output]);
    expect(second.exit).toBe(1);
    expect(second.text).toMatch(/--output: the process \d+ has a run in .* under way/);
    sweep.process.kill('SIGTERM');
    expect(await sweep.ended).toBe(143);
  });

  it('takes in settings that are added to the file, and keeps what is finished', async () => {
    const {file, output} = await sweepOf({grid: {rate: [0.1]}, options: {steps: 3}});
    await runSweep(['start', file, '--output', output]);
    const wider = await sweepOf({grid: {rate: [0.01, 0.1]}, options: {steps: 3}});
    await runSweep(['start', wider.file, '--output', output]);
    expect((await resultsOf(output)).map(line => JSON.parse(line).options.rate)).toEqual([0.01, 0.1]);
    for (const steps of Object.values(await stepsOf(output))) expect(steps).toEqual([1, 2, 3]);
  });

  it('ends with a clear error where the figure is not in the result', async () => {
    const {file, output} = await sweepOf({figure: 'accuracy', options: {steps: 1}});
    const {exit, text} = await runSweep(['start', file, '--output', output]);
    expect(exit).toBe(1);
    expect(text).toContain('sweep: the result has no number accuracy. Its numbers are: loss, step.');
  });

  it('tells its status and its results without running anything', async () => {
    const {file, output} = await sweepOf({...RATES, options: {steps: 2}});
    expect((await runSweep(['status', file, '--output', output])).text).toContain('fake: 0 of 6 trials finished');
    await runSweep(['start', file, '--output', output]);
    expect((await runSweep(['status', file, '--output', output])).text).toContain('fake: 6 of 6 trials finished');
    await rm(join(output, 'results.jsonl'));
    expect((await runSweep(['results', file, '--output', output])).text).toContain('the least loss: rate 0.01');
    expect(await resultsOf(output)).toHaveLength(6);
  });
});

describe('successive halving on one machine', {timeout: 120_000}, () => {
  const sweep = {
    random: {draws: 18, ranges: {rate: {log: [1e-4, 1]}}},
    halving: {option: 'steps', from: 1, to: 9, factor: 3},
  };

  it('goes on with the best settings from their checkpoints, and finds the best', async () => {
    const {file, output} = await sweepOf(sweep);
    const {exit, text} = await runSweep(['start', file, '--output', output]);
    expect(exit, text).toBe(0);
    const steps = Object.values(await stepsOf(output));
    expect(steps).toHaveLength(18);
    for (const done of steps) expect(done).toEqual(count(done.length));
    const summary = JSON.parse(await readFile(join(output, 'summary.json'), 'utf8'));
    expect(summary.share).toBe(steps.flat().length / (18 * 9));
    // Of equal lengths the loss has the same order at each rung, so the best of all reaches the top.
    const rates = (await resultsOf(output)).map(line => JSON.parse(line).options.rate as number);
    const best = rates.toSorted((a, b) => Math.abs(Math.log10(a) + 2) - Math.abs(Math.log10(b) + 2))[0];
    expect(summary.best).toEqual([{rate: best, steps: 9}]);
  });

  it('can be compared with all settings trained to the end', async () => {
    const {file, folder} = await sweepOf({
      grid: {rate: [0.001, 0.01, 0.1]},
      halving: {option: 'steps', from: 1, to: 3},
    });
    const whole = join(folder, 'whole');
    const {exit, text} = await runSweep(['start', file, '--no-halving', '--output', whole]);
    expect(exit, text).toBe(0);
    expect(Object.values(await stepsOf(whole))).toEqual([count(3), count(3), count(3)]);
    expect(text).toContain('fake-whole: 3 of 3 trials finished');
  });

  it('goes on after a kill, with no step done twice', async () => {
    const {file, output} = await sweepOf({...sweep, options: {pause: 10}});
    const killed = startSweep(['start', file, '--output', output]);
    await until(async () => (await total(output)) >= 20, 'some steps are done');
    killed.process.kill('SIGKILL');
    await killed.ended;
    await setTimeout(200);
    const {exit, text} = await runSweep(['start', file, '--output', output]);
    expect(exit, text).toBe(0);
    for (const done of Object.values(await stepsOf(output))) expect(done).toEqual(count(done.length));
    const lengths = (await resultsOf(output)).map(line => JSON.parse(line).options.steps);
    expect(lengths).toHaveLength(18);
    expect(lengths).toContain(9);
  });
});
