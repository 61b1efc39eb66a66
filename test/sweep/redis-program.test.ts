// The sweep of examples/sweeps/polynomial.json over Redis, cut down to few trials and steps, by the real command and program: with two of
// three workers killed it comes to what one machine comes to.
// SPDX-License-Identifier: Apache-2.0
import {readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {MISSING, startServer} from './redis-server.js';
import {resultsOf, type SweepProcess, startSweep, until, writeSweep} from './sweep-process.js';

describe.skipIf(MISSING)('the polynomial sweep over Redis', {timeout: 240_000}, () => {
  it('comes to the results of one machine when two of three workers are killed', async () => {
    const {options, ...whole} = JSON.parse(await readFile('examples/sweeps/polynomial.json', 'utf8'));
    const {folder, file} = await writeSweep({
      ...whole,
      options: {...options, backend: 'cpu', latents: 8, steps: 600},
      grid: {p: [2], estimator: ['reinmax', 'reinforce']},
      seeds: 2,
    });
    const server = await startServer('--appendonly', 'yes');
    const processes: SweepProcess[] = [];
    const start = (...words: string[]) => {
      const sweep = startSweep(['sweep', ...words], 'command');
      processes.push(sweep);
      return sweep;
    };
    const worker = () => start('worker', '--redis', server.url, '--output', join(folder, 'workers'), '--workers', '1');
    try {
      const workers = [worker(), worker(), worker()];
      const sweep = start('start', file, '--redis', server.url, '--output', join(folder, 'shared'));
      await until(() => /1\/4 done/.test(sweep.text()), 'a trial is done', 100);
      for (const {process} of workers.slice(0, 2)) process.kill('SIGKILL');
      expect(await sweep.ended, sweep.text()).toBe(0);
      workers[2]!.process.kill('SIGTERM');
      expect(await workers[2]!.ended, workers[2]!.text()).toBe(143);
      const alone = start('start', file, '--output', join(folder, 'alone'));
      expect(await alone.ended, alone.text()).toBe(0);
      const results = await resultsOf(join(folder, 'shared'));
      expect(results).toHaveLength(4);
      expect(results).toEqual(await resultsOf(join(folder, 'alone')));
    } finally {
      for (const {process, ended} of processes) {
        process.kill('SIGKILL');
        await ended;
      }
      await server.stop();
      await rm(folder, {recursive: true, force: true, maxRetries: 20, retryDelay: 100});
    }
  });
});
