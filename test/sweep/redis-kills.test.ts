// Sweeps on several machines whose workers and whose server are killed: nothing is lost and nothing counted twice.
// SPDX-License-Identifier: Apache-2.0
import {setTimeout} from 'node:timers/promises';
import {describe, expect, it} from 'vitest';
import {MISSING} from './redis-server.js';
import {count, expectedResults, LONG, share} from './redis-sweep.js';
import {resultsOf, stepsOf, until} from './sweep-process.js';

describe.skipIf(MISSING)('a sweep over Redis', {timeout: 120_000}, () => {
  it('goes on when two of three workers are killed, one of them with its trial', async () => {
    const shared = await share(LONG);
    const first = shared.worker();
    const sweep = shared.start();
    await until(async () => (await shared.steps()) >= 3, 'the first worker trains');
    first.process.kill('SIGKILL');
    for (const pid of await shared.programs()) process.kill(pid, 'SIGKILL');
    const second = shared.worker();
    await until(async () => (await shared.steps()) >= 30, 'the second worker trains');
    second.process.kill('SIGKILL');
    shared.worker('--workers', '2');
    expect(await sweep.ended, sweep.text()).toBe(0);
    expect(await resultsOf(shared.output('out'))).toEqual(expectedResults(LONG));
    expect(sweep.text()).not.toContain('died');
    for (const steps of Object.values(await stepsOf(shared.trials))) {
      expect([...new Set(steps)]).toEqual(count(20));
      expect(steps.length).toBeLessThanOrEqual(21); // of the one that was killed with its worker a step was not saved
    }
  });

  it('never gives a trial up because its workers were killed', async () => {
    const value = {options: {steps: 60, pause: 50}};
    const shared = await share(value);
    const sweep = shared.start();
    for (const goal of [3, 15, 27, 39]) {
      const worker = shared.worker();
      await until(async () => (await shared.steps()) >= goal, `${goal} steps are done`);
      worker.process.kill('SIGKILL');
      await worker.ended;
    }
    shared.worker();
    expect(await sweep.ended, sweep.text()).toBe(0);
    expect(await resultsOf(shared.output('out'))).toEqual(expectedResults(value));
    expect(Object.values(await stepsOf(shared.trials))).toEqual([count(60)]);
  });

  it('goes on when the server is killed and started again from its append-only file, for waiting workers too', async () => {
    const shared = await share(LONG, '--appendonly', 'yes');
    const worker = shared.worker('--workers', '2');
    await until(() => worker.text().includes('Taking jobs'), 'the worker waits');
    await shared.server.kill();
    await setTimeout(5000); // longer than a worker waits for an answer to "is there a job?"
    await shared.server.restart();
    const sweep = shared.start();
    for (const goal of [20, 60]) {
      await until(async () => (await shared.steps()) >= goal, `${goal} steps are done`);
      await shared.server.kill();
      await setTimeout(500);
      await shared.server.restart();
    }
    expect(await sweep.ended, sweep.text()).toBe(0);
    expect(sweep.text()).toMatch(/Lost the connection to redis:.*\nConnected to redis:/s);
    expect(await resultsOf(shared.output('out'))).toEqual(expectedResults(LONG));
    for (const steps of Object.values(await stepsOf(shared.trials))) expect(steps).toEqual(count(20));
    worker.process.kill('SIGTERM');
    expect(await worker.ended, worker.text()).toBe(143);
  });

  it('adds the jobs again that a server without such a file has forgotten', async () => {
    const shared = await share(LONG);
    shared.worker('--workers', '2');
    const sweep = shared.start();
    await until(async () => (await shared.steps()) >= 50, '50 steps are done');
    await shared.server.kill();
    await shared.server.restart();
    expect(await sweep.ended, sweep.text()).toBe(0);
    expect(await resultsOf(shared.output('out'))).toEqual(expectedResults(LONG));
    for (const steps of Object.values(await stepsOf(shared.trials))) expect(steps).toEqual(count(20));
  });
});
