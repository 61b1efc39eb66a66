// npm run bench -- <name> [--json]: ratios of times within one run, the variants interleaved.
// SPDX-License-Identifier: Apache-2.0
import {Command, Option} from 'commander';
import {BACKEND_CHOICES} from 'tfjs-moe/node';
import {wholeNumber} from '../examples/shared/options.js';
import {benchEstimators} from './estimators.js';

const program = new Command('bench').description('Measures ratios of times within one run, the variants interleaved.');
program
  .command('estimators')
  .description('forward and backward of each estimator, over that of tf.softmax')
  .addOption(new Option('--backend <name>', 'what computes').choices(BACKEND_CHOICES).default('wasm'))
  .option('--rounds <count>', 'how often each variant is timed', wholeNumber(1), 60)
  .option('--json', 'end with one line of JSON', false)
  .action(benchEstimators);
await program.parseAsync();
