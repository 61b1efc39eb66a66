// The command sweep with the fake program, from the root: `node <programFile('sweep')> start <file> ...`.
// SPDX-License-Identifier: Apache-2.0
import {createSweepCommand} from '../../examples/sweep/index.js';

const program = [process.execPath, 'test/sweep/fake-program.mjs'];
try {
  await createSweepCommand(program, async () => {}).parseAsync(process.argv.slice(2), {from: 'user'});
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
