// The options of polynomial, and what a run's settings are made of them.
// SPDX-License-Identifier: Apache-2.0
import {type Command, InvalidArgumentError, Option} from 'commander';
import {type BackendName, ValueError} from 'tfjs-moe/node';
import {addCommonOptions, type CommonOptions, compareOption, finiteNumber, wholeNumber} from '../shared/options.js';
import {chooseMethod, type NamedMethod, parseMethod} from './methods.js';
import type {Target} from './problem.js';
import {PROGRAM, type Settings} from './settings.js';

/** Options as the user types them. */
export interface Options extends CommonOptions {
  p: number;
  latents: number;
  batchSize: number;
  target: Target;
  estimator: NamedMethod;
  temperature?: number;
  steps: number;
  reportEvery: number;
  learningRate: number;
  compare?: string;
}

/** Where the results go if the user does not say, in words. */
const OUTPUT = `runs/${PROGRAM}/p<p>-l<latents>-b<batch>-c<target>-<estimator>[-t<temperature>]-seed<n>`;

/** Adds the options to a command. @param comparison The file that --compare draws. */
export function addOptions(command: Command, comparison: string): Command {
  command
    .option('--p <p>', 'the power', finiteNumber({above: 0}), 2)
    .option('--latents <n>', 'how many bits', wholeNumber(1), 128)
    .option('--batch-size <n>', 'samples a step', wholeNumber(1), 64)
    .option('--target <c>', 'between 0 and 1, or "linear": (l - 1/2) / latents for bit l', readTarget, 0.45)
    .addOption(
      new Option('--estimator <name>', 'who gives the gradient; its temperature may stand behind a colon')
        .argParser(readMethod)
        .default({estimator: 'reinmax'}, 'reinmax'),
    )
    .option('--temperature <t>', 'of a pathwise estimator (default: 1)', finiteNumber({above: 0}))
    .option('--steps <n>', 'how often to change the logits', wholeNumber(1), 8000)
    .option('--report-every <n>', 'steps a line of the history', wholeNumber(1), 200)
    .option('--learning-rate <r>', "Adam's rate", finiteNumber({above: 0}), 0.001)
    .addOption(compareOption(comparison));
  return addCommonOptions(command, {output: OUTPUT});
}

/** Reads an estimator, with its temperature behind a colon. */
export function readMethod(text: string): NamedMethod {
  try {
    return parseMethod(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Reads what the bits are compared with: between 0 and 1, where the loss has a slope on both sides. */
export function readTarget(text: string): Target {
  if (text === 'linear') return text;
  const value = finiteNumber({above: 0})(text);
  if (value >= 1) throw new InvalidArgumentError('It must be linear, or a number between 0 and 1.');
  return value;
}

/** What the options decide of a run's settings, before the backend runs. */
export type Choice = Omit<Settings, 'backend' | 'trainingKernels'>;

/** The settings that the user chose. @throws ValueError for those that do not go together. */
export function chooseSettings(options: Options): Choice {
  const {p, latents, batchSize, target, steps, reportEvery, learningRate, seed} = options;
  const method = chooseMethod(namedMethod(options));
  return {...method, p, latents, batchSize, target, steps, reportEvery, learningRate, seed, data: 'none'};
}

/** The temperature may stand at either place; where it stands at both, it must be the same. */
function namedMethod({estimator: named, temperature}: Pick<Options, 'estimator' | 'temperature'>): NamedMethod {
  if (temperature === undefined) return named;
  if (named.temperature !== undefined && named.temperature !== temperature) {
    throw new ValueError(
      `--temperature: --estimator ${named.estimator}:${named.temperature} has its own, but got ${temperature}.`,
    );
  }
  return {...named, temperature};
}

/** The last part of the output folder. */
export function outputName({p, latents, batchSize, target, estimator, temperature, seed}: Choice): string {
  return [
    `p${p}`,
    `l${latents}`,
    `b${batchSize}`,
    target === 'linear' ? target : `c${target}`,
    estimator,
    ...(temperature === null || temperature === 1 ? [] : [`t${temperature}`]),
    `seed${seed}`,
  ].join('-');
}

/**
 * The options under which a run was started, with what the user typed in their place. The temperature belongs to the estimator: of another one
 * the saved one says nothing.
 */
export function resumeOptions(options: Options, saved: Settings, given: Partial<Options>): Options {
  const {estimator, temperature, backend, data: _, ...others} = saved;
  const method = {estimator, ...(temperature !== null && {temperature})};
  const {temperature: __, ...rest} = options;
  return {...rest, ...others, backend: backend as BackendName, estimator: method, ...withTemperature(given, method)};
}

/** An estimator that is named again without a temperature has the one that it had. */
function withTemperature(given: Partial<Options>, saved: NamedMethod): Partial<Options> {
  const {estimator = {estimator: saved.estimator}, ...others} = given;
  const isSilent = estimator.temperature === undefined && given.temperature === undefined;
  return {...others, estimator: isSilent && estimator.estimator === saved.estimator ? saved : estimator};
}
