// A sweep of a real program: killed at any moment and started again it leaves the same results, and halving goes on from checkpoints.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {readdir, readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, describe, expect, it} from 'vitest';
import {resultsOf, runSweep, type SweepCase, startSweep, until, writeSweep} from './sweep-process.js';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, {recursive: true, force: true});
});
async function sweepOf(value: object): Promise<SweepCase> {
  const sweep = await writeSweep({program: 'polynomial', figure: 'expectedLoss', ...value});
  folders.push(sweep.folder);
  return sweep;
}
const run = ({file, output}: SweepCase) => runSweep(['sweep', file, '--output', output], 'command');

/** Checkpoints of trials that are on their way. */
async function countCheckpoints(output: string): Promise<number> {
  const trials = join(output, 'trials');
  if (!existsSync(trials)) return 0;
  const ids = await readdir(trials);
  return ids.filter(
    id => existsSync(join(trials, id, 'checkpoint.bin')) && !existsSync(join(trials, id, 'result.json')),
  ).length;
}

describe('a sweep of polynomial', {timeout: 240_000}, () => {
  const options = {latents: 8, 'batch-size': 8, steps: 400, 'report-every': 20, backend: 'cpu'};

  it('that is killed while trials are on their way comes to the results of one that is not', async () => {
    const value = {options, grid: {estimator: ['reinmax', 'reinforce']}};
    const undisturbed = await sweepOf(value);
    const {exit, text} = await run(undisturbed);
    expect(exit, text).toBe(0);
    const killed = await sweepOf(value);
    const sweep = startSweep(['sweep', killed.file, '--output', killed.output], 'command');
    await until(async () => (await countCheckpoints(killed.output)) > 0, 'a trial has saved itself', 60);
    sweep.process.kill('SIGKILL');
    await sweep.ended;
    const again = await run(killed);
    expect(again.exit, again.text).toBe(0);
    const results = await resultsOf(killed.output);
    expect(results).toHaveLength(2);
    expect(results).toEqual(await resultsOf(undisturbed.output));
  });

  it('under halving comes to the figures of trials that were as long from the start', async () => {
    const {steps: _, ...others} = options;
    const grid = {'learning-rate': [0.001, 0.01, 0.1]};
    const halving = {option: 'steps', from: 100, to: 300, factor: 3};
    const halved = await sweepOf({options: others, grid, halving});
    const {exit, text} = await run(halved);
    expect(exit, text).toBe(0);
    const results = (await resultsOf(halved.output)).map(line => JSON.parse(line));
    expect(results.map(result => result.options.steps).toSorted()).toEqual([100, 100, 300]);
    const longest = results.find(result => result.options.steps === 300);
    const straight = await sweepOf({
      options: {...others, 'learning-rate': longest.options['learning-rate'], steps: 300},
    });
    await run(straight);
    expect(JSON.parse((await resultsOf(straight.output))[0]!).figures).toEqual(longest.figures);
    // By the program's own resume: its log tells of both.
    const log = await readFile(join(halved.output, 'trials', longest.trial, 'log.txt'), 'utf8');
    expect(log).toContain('300 steps on cpu, from step 100');
  });
});
