// Trains the discrete VAE of the playground and exports it: the model with weights of 8 bits, and the digits that the page offers.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {Command} from 'commander';
import {DiscreteVAE} from 'tfjs-moe/layers';
import {fileSystem, writeAtomically} from 'tfjs-moe/node';
import type {DigitSet, Mnist} from '../examples/data/mnist.js';
import {describeEvaluation, evaluate} from '../examples/mnist-vae/evaluate.js';
import {startBackend} from '../examples/shared/backend.js';
import {
  addDigitOptions,
  type DigitOptions,
  loadDigits,
  toDigitSettings,
  WHERE_DIGITS,
} from '../examples/shared/digits.js';
import {finiteNumber, wholeNumber} from '../examples/shared/options.js';
import {chooseDigits} from './playground-vae/digits.mjs';
import {quantizedArtifacts} from './playground-vae/quantize.mjs';
import {HIDDEN_UNITS, SIZE, type Training, trainIn} from './playground-vae/train.mjs';

interface Options extends DigitOptions {
  epochs: number;
  learningRate: number;
  temperature: number;
  seed: number;
  run: string;
  output: string;
}

const NAME = 'scripts/export-playground-vae.mts';
const DIGITS_FILE = 'digits.bin';
/** Of each class. */
const DIGITS_EACH = 3;

const AFTER = `
${WHERE_DIGITS}

Ctrl-C saves the training; the same command goes on with it. Once it is finished the command only exports.
Leaves in the output folder: model.json, whose userDefinedMetadata tell this command and what was measured;
weights-<hash>.bin; and ${DIGITS_FILE}, 784 bytes a digit, ${DIGITS_EACH} digits of each class.

Example:
  TFJS_MOE_DATA=<folder> npx tsx ${NAME}`;

async function main(): Promise<void> {
  const command = addDigitOptions(
    new Command(`tsx ${NAME}`)
      .description('Trains the discrete VAE of the playground by ReinMax, and exports it.')
      .option('--epochs <n>', 'how often to go through the digits', wholeNumber(1), 60)
      .option('--learning-rate <r>', 'of RAdam', finiteNumber({above: 0}), 1e-3)
      .option('--temperature <t>', 'of ReinMax', finiteNumber({above: 0}), 1.3)
      .option('--seed <n>', 'seed of every random choice', wholeNumber(0), 0)
      .option('--run <folder>', 'where the training is kept', 'runs/playground-vae')
      .option('--output <folder>', 'where the asset goes', 'docs/playground/public/vae'),
  ).addHelpText('after', AFTER);
  const options = command.parse().opts<Options>();
  const data = await loadDigits(options, true);
  const backend = await startBackend({backend: 'wasm', threads: 1, trainingKernels: true});
  const training: Training = {
    hiddenUnits: HIDDEN_UNITS,
    size: SIZE,
    estimator: 'reinmax',
    temperature: options.temperature,
    numSamples: null,
    optimizer: 'radam',
    learningRate: options.learningRate,
    epochs: options.epochs,
    batchSize: 100,
    seed: options.seed,
    backend,
    trainingKernels: true,
    ...toDigitSettings(data, options),
  };
  const vae = await trainIn(options.run, training, data);
  if (vae) await exportTo(options.output, vae, training, data);
}

/** Writes the asset, and measures it as it will be read: with its rounded weights. */
async function exportTo(folder: string, vae: DiscreteVAE, training: Training, data: Mnist): Promise<void> {
  const full = await evaluate(vae, data.test);
  const artifacts = await quantizedArtifacts(vae.model);
  const rounded = new DiscreteVAE(await tfl.loadLayersModel(tf.io.fromMemory(artifacts)));
  const found = await evaluate(rounded, data.test);
  const digits = chooseDigits(data.test, DIGITS_EACH);
  const {dataDir: _, download: __, ...settings} = training; // where the files lay is nobody's business
  await fileSystem(folder).save!({
    ...artifacts,
    userDefinedMetadata: {
      title: 'The discrete VAE of the playground of tfjs-moe',
      command: commandLine(),
      settings,
      // In nats a digit, with one draw of the code each.
      figures: {
        testNegativeElbo: found.negativeElbo,
        testReconstruction: found.reconstruction,
        testKl: found.kl,
        testCount: found.count,
        testNegativeElboFloat32: full.negativeElbo,
      },
      digits: {
        file: DIGITS_FILE,
        labels: [...digits.labels],
        rows: digits.rows,
        negativeElbo: (await evaluate(rounded, digits satisfies DigitSet)).negativeElbo,
      },
    },
  });
  await writeAtomically(join(folder, DIGITS_FILE), digits.images);
  console.log(`float32: ${describeEvaluation(full)}\n8 bits:  ${describeEvaluation(found)}\nin ${folder}`);
}

/** The command as it would be typed again. */
function commandLine(): string {
  return ['npx tsx', NAME, ...process.argv.slice(2)].join(' ');
}

await main();
