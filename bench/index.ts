// npm run bench -- <name> [--json]: ratios of times within one run, the variants interleaved.
// SPDX-License-Identifier: Apache-2.0
import {Command, Option} from 'commander';
import {BACKEND_CHOICES} from 'tfjs-moe/node';
import {wholeNumber} from '../examples/shared/options.js';
import {benchBackends} from './backends.js';
import {benchEfficiency} from './efficiency.js';
import {benchEstimators} from './estimators.js';
import {benchListOps} from './listops.js';
import {benchMoE} from './moe.js';
import {benchSearchCell} from './search-cell.js';
import {benchWasmKernels} from './wasm-kernels.js';

const program = new Command('bench').description('Measures ratios of times within one run, the variants interleaved.');
program
  .command('estimators')
  .description('forward and backward of each estimator, over that of tf.softmax')
  .addOption(new Option('--backend <name>', 'what computes').choices(BACKEND_CHOICES).default('wasm'))
  .option('--rounds <count>', 'how often each variant is timed', wholeNumber(1), 60)
  .option('--json', 'end with one line of JSON', false)
  .action(benchEstimators);
program
  .command('efficiency')
  .description('time and memory of a step of training by each estimator, over those of straight-through')
  .option('--rounds <count>', 'how often each variant is timed', wholeNumber(1), 30)
  .option('--json', 'end with one line of JSON', false)
  .action(benchEfficiency);
program
  .command('wasm-kernels')
  .description('training on wasm with the kernels of tfjs-moe/wasm, over the stock backend')
  .option('--rounds <count>', 'how often each variant is timed', wholeNumber(1), 15)
  .option('--threads <count>', 'how many threads to compare with one', wholeNumber(2), 2)
  .option('--json', 'end with one line of JSON', false)
  .action(benchWasmKernels);
program
  .command('backends')
  .description('steps of training on each backend of Node, over wasm with the kernels of tfjs-moe/wasm')
  .option('--rounds <count>', 'how often each variant is timed', wholeNumber(1), 15)
  .option('--json', 'end with one line of JSON', false)
  .action(benchBackends);
program
  .command('listops')
  .description('training of the latent tree encoder of ListOps, over the bare products of its textbook form')
  .option('--rounds <count>', 'how often each variant is timed', wholeNumber(1), 3)
  .option('--json', 'end with one line of JSON', false)
  .action(benchListOps);
program
  .command('search-cell')
  .description('steps of an architecture search over one cell, over the cell found and over its bare convolutions')
  .option('--rounds <count>', 'how often each variant is timed', wholeNumber(1), 9)
  .option('--json', 'end with one line of JSON', false)
  .action(benchSearchCell);
program
  .command('moe')
  .description('a sparse Mixture-of-Experts, over the number of experts and over its peers')
  .option('--rounds <count>', 'how often each variant is timed', wholeNumber(1), 9)
  .option('--chart <file>', 'where to draw the curves, as SVG')
  .option('--json', 'end with one line of JSON', false)
  .action(benchMoE);
await program.parseAsync();
