// The options that every program has, and how the text of an option becomes a checked value.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {type Command, InvalidArgumentError, Option} from 'commander';
import {BACKEND_CHOICES} from 'tfjs-moe/node';
import type {BackendOptions} from './backend.js';

/** Options of every program. */
export interface CommonOptions extends BackendOptions {
  seed: number;
  output: string;
  resume?: true;
  overwrite?: true;
  evaluate?: string;
}

/** Adds the options of every program to a command. */
export function addCommonOptions(command: Command, defaults: {output: string}): Command {
  return command
    .option('--seed <n>', 'seed of every random choice of the run', wholeNumber(0), 0)
    .addOption(
      new Option('--backend <name>', 'what computes').choices(BACKEND_CHOICES).default('auto').env('TFJS_MOE_BACKEND'),
    )
    .option('--threads <n>', 'how many threads the backend wasm may use', wholeNumber(1), 1)
    .option('--no-training-kernels', 'leave the kernels of the backend wasm as tfjs has them: slower, for comparison')
    .option('--output <folder>', 'where the results go', defaults.output)
    .addOption(new Option('--resume', 'go on with the run in the output folder').conflicts('overwrite'))
    .option('--overwrite', 'replace the run in the output folder')
    .addOption(
      new Option('--evaluate <folder>', 'measure the model of a finished run instead of training').conflicts([
        'resume',
        'overwrite',
      ]),
    );
}

/** The option of programs that draw their finished runs together. @param chart The file that it makes in the folder. */
export function compareOption(chart: string): Option {
  return new Option('--compare <folder>', `chart all finished runs below a folder, into ${chart} there`).conflicts([
    'resume',
    'overwrite',
    'evaluate',
  ]);
}

/** Reads an option as a whole number of at least `minimum`. */
export function wholeNumber(minimum: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${minimum}.`);
    }
    return value;
  };
}

/** Reads an option as a finite number above `minimum`, or of at least `minimum` where that is allowed. */
export function finiteNumber({above, from}: {above?: number; from?: number}): (text: string) => number {
  return text => {
    const value = Number(text);
    const isOut = (above !== undefined && value <= above) || (from !== undefined && value < from);
    const rounded = Math.fround(value); // what the tensors will hold
    if (text.trim() === '' || !Number.isFinite(rounded) || (rounded === 0 && value !== 0) || isOut) {
      const range = above !== undefined ? `above ${above}` : `of at least ${from}`;
      throw new InvalidArgumentError(`It must be a number ${range}, within the range of float32.`);
    }
    return value;
  };
}

/** The options that the user typed, without those that stand at their default. */
export function givenOptions(command: Command): Record<string, unknown> {
  const all = command.opts();
  return Object.fromEntries(Object.entries(all).filter(([name]) => command.getOptionValueSource(name) === 'cli'));
}

/** The options with an output folder that tells the runs of a program apart, unless the user named one. */
export function withOutput<Options extends CommonOptions>(
  options: Options,
  command: Command,
  runName: () => string,
): Options {
  if (command.getOptionValueSource('output') === 'cli') return options;
  // On the command line it is `tfjs-moe train <program>`.
  const program = command.name().split(' ').at(-1)!;
  return {...options, output: join('runs', program, runName())};
}
