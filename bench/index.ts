// npm run bench -- <name> [--json]: ratios of times within one run, the variants interleaved.
// SPDX-License-Identifier: Apache-2.0
import {Command} from 'commander';
import {benchEstimators} from './estimators.js';

const program = new Command('bench').description('Measures ratios of times within one run, the variants interleaved.');
program
  .command('estimators')
  .description('forward and backward of each estimator, over that of tf.softmax')
  .option('--backend <name>', 'wasm or cpu', 'wasm')
  .option('--rounds <count>', 'how often each variant is timed', Number, 60)
  .option('--json', 'end with one line of JSON', false)
  .action(benchEstimators);
await program.parseAsync();
