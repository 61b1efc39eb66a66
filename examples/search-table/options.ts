// The options of this program, and how their texts become checked values.
// SPDX-License-Identifier: Apache-2.0
import {type Command, InvalidArgumentError, Option} from 'commander';
import type {Space} from '../data/nas-bench-table.js';
import {listOf} from '../shared/list-option.js';
import {addCommonOptions, type CommonOptions, finiteNumber, wholeNumber} from '../shared/options.js';
import {type MethodChoice, parseMethod} from './methods.js';
import {OBJECTIVES, type ObjectiveName, SPACE_TITLES} from './objectives.js';
import {NUM_CELLS} from './problem.js';
import {PROGRAM} from './settings.js';

/** What the user can say. */
export interface Options extends CommonOptions {
  methods: MethodChoice[];
  space: Space;
  objective: ObjectiveName;
  seeds: number;
  evaluations: number;
  learningRate?: number;
  dataDir?: string;
}

const METHODS =
  'random,evolution,reinforce,leaveOneOut,leaveOneOut:4,relax,reinmax,straightThrough,straightThroughGumbelSoftmax:0.5,enumerate';

/** Adds the options to a command. */
export function addOptions(command: Command): Command {
  command
    .addOption(
      new Option('--methods <list>', 'who searches')
        .argParser(listOf(readMethod))
        .default(listOf(readMethod)(METHODS), METHODS.replaceAll(',', ', ')),
    )
    .addOption(
      new Option('--space <name>', 'the data set of the networks')
        .choices(Object.keys(SPACE_TITLES))
        .default('cifar10'),
    )
    .addOption(
      new Option('--objective <name>', 'what a search sees of a cell: its validation accuracy after so many epochs')
        .choices(Object.keys(OBJECTIVES))
        .default('valid-200'),
    )
    .option('--seeds <n>', 'how many seeds from --seed on', wholeNumber(1), 500)
    .option('--evaluations <n>', 'cells that each search may look up', readEvaluations, 300)
    .option(
      '--learning-rate <r>',
      "Adam's, in the score-function methods (default: each method's own)",
      finiteNumber({above: 0}),
    )
    .option('--data-dir <folder>', 'a folder with the table');
  return addCommonOptions(command, {output: `runs/${PROGRAM}`});
}

function readMethod(text: string): MethodChoice {
  try {
    return parseMethod(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function readEvaluations(text: string): number {
  const value = wholeNumber(1)(text);
  if (value > NUM_CELLS) throw new InvalidArgumentError(`There are ${NUM_CELLS.toLocaleString('en-US')} cells.`);
  return value;
}
