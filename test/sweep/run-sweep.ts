// The command sweep with the fake program: `node --import tsx test/sweep/run-sweep.ts start <file> ...`.
// SPDX-License-Identifier: Apache-2.0
import {fileURLToPath} from 'node:url';
import {createSweepCommand} from '../../examples/sweep/index.js';

const program = [process.execPath, fileURLToPath(new URL('fake-program.mjs', import.meta.url))];
try {
  await createSweepCommand(program, async () => {}).parseAsync(process.argv.slice(2), {from: 'user'});
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
