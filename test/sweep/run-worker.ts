// The command `sweep worker` with the fake program and short locks, from the root: `node <programFile('worker')> worker --redis <url> ...`.
// SPDX-License-Identifier: Apache-2.0
import {Command} from 'commander';
import {addWorkerCommand} from '../../examples/sweep/redis/index.js';

const LOCK = 2000; // in milliseconds; others need not wait long for the jobs of one that was killed
const sweep = new Command('sweep');
addWorkerCommand(sweep, [process.execPath, 'test/sweep/fake-program.mjs'], 'out', LOCK);
try {
  await sweep.parseAsync(process.argv.slice(2), {from: 'user'});
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
