// What a program says of itself, and the shared command does not know.
// SPDX-License-Identifier: Apache-2.0
import type {Command} from 'commander';
import type {ImageDataset} from '../data/image-datasets.js';
import type {OptimizerName} from '../shared/optimizer-state.js';
import type {Design} from './design.js';
import type {MethodName} from './methods.js';
import type {OptionsOf} from './options.js';
import type {Settings} from './settings.js';

/** What is tuned. */
export interface Preset {
  optimizer: OptimizerName;
  learningRate: number;
  /** Null for an estimator that has none. */
  temperature: number | null;
  /** Null for an estimator that learns nothing. */
  controlLearningRate: number | null;
}

/** A VAE with a code that is drawn, as a program. */
export interface VaeProgram<Own extends object = object> {
  name: string;
  /** What it does, in a sentence or two. */
  description: string;
  /** Notes and examples of commands, for --help. */
  notes: string;
  examples: readonly string[];
  /** The last part of the output folder, in words. */
  outputPattern: string;
  defaults: {dataset: ImageDataset; method: MethodName; updates: number; batchSize: number};
  /** Above the chart of a comparison. */
  chartTitle: string;
  /** Adds the options that no other program has. */
  addOptions(command: Command): void;
  /** The settings that no other program has. @throws ValueError for those that do not go together. */
  ownSettings(options: OptionsOf<Own>, method: MethodName): Own;
  /** The last part of the output folder. */
  outputName(options: OptionsOf<Own>, method: MethodName): string;
  /** How many hard draws a method takes where the user names no number. */
  defaultNumSamples(method: MethodName): number;
  presetFor(method: MethodName, dataset: ImageDataset, numSamples: number): Preset;
  design(own: Own): Design;
  /** The images and, where they differ, the codes: runs of the same stand in one row of charts. */
  panelOf(settings: Settings & Own): string;
  /** What tells a run from others of its panel. */
  labelOf(settings: Settings & Own): string;
}
