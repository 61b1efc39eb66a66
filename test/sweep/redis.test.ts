// Sweeps on several machines, by processes of coordinator and workers and a server of the test's own.
// SPDX-License-Identifier: Apache-2.0
import {setTimeout} from 'node:timers/promises';
import {describe, expect, it} from 'vitest';
import {MISSING} from './redis-server.js';
import {count, expectedResults, LONG, RATES, share} from './redis-sweep.js';
import {resultsOf, runSweep, stepsOf, until} from './sweep-process.js';

describe.skipIf(MISSING)('a sweep over Redis', {timeout: 120_000}, () => {
  it('leaves the same files, byte for byte, as on one machine, and runs each trial once', async () => {
    const value = {...RATES, options: {steps: 4}};
    const shared = await share(value);
    shared.worker('--workers', '2');
    const sweep = shared.start();
    const alone = await runSweep(['start', shared.file, '--output', shared.output('alone')]);
    expect(alone.exit, alone.text).toBe(0);
    expect(await sweep.ended, sweep.text()).toBe(0);
    expect(await resultsOf(shared.output('out'))).toEqual(expectedResults(value));
    for (const name of ['results.jsonl', 'summary.json', 'summary.md', 'summary.svg']) {
      expect(await shared.read('out', name), name).toBe(await shared.read('alone', name));
    }
    for (const steps of Object.values(await stepsOf(shared.trials))) expect(steps).toEqual(count(4));
  });

  it('counts nothing twice when two coordinators start', async () => {
    const value = {...RATES, options: {steps: 10, pause: 20}};
    const shared = await share(value);
    const sweeps = [shared.start('one'), shared.start('two')];
    shared.worker('--workers', '2');
    for (const {ended, text} of sweeps) expect(await ended, text()).toBe(0);
    for (const name of ['one', 'two']) expect(await resultsOf(shared.output(name))).toEqual(expectedResults(value));
    for (const {text} of sweeps)
      expect(text().match(/; \d\/6 done/g)).toEqual(count(6).map(done => `; ${done}/6 done`));
    expect(sweeps.filter(({text}) => text().includes('Another coordinator has this sweep'))).toHaveLength(1);
    for (const steps of Object.values(await stepsOf(shared.trials))) expect(steps).toEqual(count(10));
  });

  it('reports a trial that died three times, on whatever workers, with its last words', async () => {
    const shared = await share({grid: {dies: [2, 3]}, options: {steps: 6, 'die-at': 4}});
    shared.worker();
    shared.worker();
    const sweep = shared.start();
    expect(await sweep.ended).toBe(1);
    for (const time of ['first', 'second', 'third']) {
      expect(sweep.text()).toContain(`dies 3, seed 0: died (exit code 3), for the ${time} time,`);
    }
    expect(sweep.text()).toContain('failed three times: dies 3, seed 0. Its last words:\n  exit code 3\n');
    expect(sweep.text()).toContain('  Out of luck at step 4.');
    const diesOf = async () => (await resultsOf(shared.output('out'))).map(line => JSON.parse(line).options.dies);
    expect(await diesOf()).toEqual([2]);
    const steps = Object.values(await stepsOf(shared.trials)).sort((a, b) => a.length - b.length);
    expect(steps).toEqual([count(4), count(6)]);
    // Started again it is not tried again, unless that is asked for; by now it would live.
    const again = shared.start();
    expect(await again.ended).toBe(1);
    expect(again.text()).toContain('1 of 2 trials finished, 1 failed');
    const retried = shared.start('out', '--retry');
    expect(await retried.ended, retried.text()).toBe(0);
    expect(await diesOf()).toEqual([2, 3]);
  });

  it('lets a worker that is stopped give its trials back, saved and without a death', async () => {
    const shared = await share({options: {steps: 12, pause: 100}});
    const sweep = shared.start();
    const first = shared.worker();
    await until(async () => (await shared.steps()) >= 3, 'steps are done');
    first.process.kill('SIGINT');
    expect(await first.ended, first.text()).toBe(130);
    expect(first.text()).toMatch(
      /fake: seed 0: back in the queue after .*\nStopped; what was under way has saved itself/,
    );
    shared.worker();
    expect(await sweep.ended, sweep.text()).toBe(0);
    expect(sweep.text()).toContain('seed 0: stopped and saved');
    expect(sweep.text()).not.toContain('died');
    expect(Object.values(await stepsOf(shared.trials))).toEqual([count(12)]);
  });

  it('leaves the jobs in the queue when the coordinator is stopped', async () => {
    const value = {...RATES, options: {steps: 10, pause: 30}};
    const shared = await share(value);
    const worker = shared.worker('--workers', '2', '--until-idle', '6');
    const sweep = shared.start();
    await until(async () => (await shared.steps()) >= 5, 'steps are done');
    sweep.process.kill('SIGINT');
    expect(await sweep.ended, sweep.text()).toBe(130);
    expect(sweep.text()).toMatch(/Stopped; the same command goes on. The jobs stay at redis:/);
    expect(await worker.ended, worker.text()).toBe(0); // nothing is left to do
    expect((await shared.ask('status')).text).toContain('fake: 6 of 6 trials finished');
    expect((await shared.ask('results', 'elsewhere')).text).toContain('the least loss: rate 0.01');
    expect(await resultsOf(shared.output('elsewhere'))).toEqual(expectedResults(value));
    const again = shared.start();
    expect(await again.ended, again.text()).toBe(0);
    expect(await resultsOf(shared.output('out'))).toEqual(expectedResults(value));
  });

  it('lets coordinator and workers be stopped while the server is away', async () => {
    const shared = await share(LONG);
    const sweep = shared.start();
    const worker = shared.worker();
    await until(async () => (await shared.steps()) >= 3, 'steps are done');
    await shared.server.kill();
    await until(() => [sweep, worker].every(({text}) => text().includes('Lost the connection')), 'they notice');
    const since = performance.now();
    for (const {process} of [sweep, worker]) process.kill('SIGINT');
    expect(await sweep.ended, sweep.text()).toBe(130);
    expect(await worker.ended, worker.text()).toBe(130);
    expect(performance.now() - since).toBeLessThan(10_000);
  });
});

describe.skipIf(MISSING)('successive halving over Redis', {timeout: 120_000}, () => {
  const value = {
    random: {draws: 18, ranges: {rate: {log: [1e-4, 1]}}},
    halving: {option: 'steps', from: 1, to: 9, factor: 3},
  };

  it('goes on with the best settings from their checkpoints, under whichever coordinator is left', async () => {
    const shared = await share({...value, options: {pause: 30}});
    const first = shared.start('one');
    await until(() => first.text().includes('by the workers of'), 'the first coordinator runs');
    await setTimeout(500); // it takes the lease
    const second = shared.start('two');
    shared.worker('--workers', '2');
    await until(async () => (await shared.steps()) >= 12, 'some steps are done');
    expect(second.text()).toContain('Another coordinator has this sweep');
    first.process.kill('SIGKILL');
    await first.ended;
    expect(await second.ended, second.text()).toBe(0);
    const steps = Object.values(await stepsOf(shared.trials));
    expect(steps).toHaveLength(18);
    for (const done of steps) expect(done).toEqual(count(done.length));
    // Of equal lengths the loss has the same order at each rung, so the best of all reaches the top.
    const results = await resultsOf(shared.output('two'));
    const options = results.map(line => JSON.parse(line).options as {rate: number; steps: number});
    const distance = ({rate}: {rate: number}) => Math.abs(Math.log10(rate) + 2);
    const best = options.toSorted((a, b) => distance(a) - distance(b))[0];
    expect(best!.steps).toBe(9);
    // The one that was killed, started anew, learns from the queue what became of the sweep.
    const again = shared.start('one');
    expect(await again.ended, again.text()).toBe(0);
    expect(await resultsOf(shared.output('one'))).toEqual(results);
    expect(Object.values(await stepsOf(shared.trials)).flat()).toHaveLength(steps.flat().length);
  });
});
