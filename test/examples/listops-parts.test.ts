// The parts of listops: dropout, embedding, clipping, the schedule, the presets and the options.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {Command} from 'commander';
import {describe, expect, test} from 'vitest';
import {comparisonChart, runChart} from '../../examples/listops/chart.js';
import {addOptions, chooseSettings, type Options, outputName, toOptions} from '../../examples/listops/options.js';
import {afterValidation, type PlateauState, startPlateau} from '../../examples/listops/plateau.js';
import {StepDropout} from '../../examples/listops/step-dropout.js';
import {TokenEmbedding} from '../../examples/listops/token-embedding.js';
import {isValidationDue} from '../../examples/listops/training.js';
import {clipByGlobalNorm} from '../../examples/shared/clip.js';
import {seeded} from '../../src/estimators/index.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

/** Of float32 sums of a few products near 1. */
const ROUNDING = 1e-5;

eachBackendOfPrograms('StepDropout', () => {
  test('in training the entries of small uniforms are left out and the others are scaled up', () => {
    const dropout = new StepDropout({rate: 0.25});
    const uniforms = [0.1, 0.2499, 0.25, 0.9, 0.5, 0.01];
    dropout.random = {...seeded(0), uniform: count => Float64Array.from(uniforms.slice(0, count))};
    const output = dropout.apply(tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]), {training: true}) as tf.Tensor;
    // 1 / (1 - 1/4) = 4/3.
    expectClose(output, [0, 0, 4, 16 / 3, 20 / 3, 0], ROUNDING);
  });

  test('its gradient is masked and scaled as its output', () => {
    const dropout = new StepDropout({rate: 0.5});
    const random = {...seeded(0), uniform: () => Float64Array.of(0.2, 0.7, 0.8)};
    dropout.random = random;
    const gradient = tf.grad(x => tf.sum(tf.mul(x, dropout.apply(x, {training: true}) as tf.Tensor)));
    // Of x * 2x for the entries that are kept: 4x.
    expectClose(gradient(tf.tensor1d([1, 2, 3])), [0, 8, 12], ROUNDING);
  });

  test('the same stream gives the same mask, and another one another', () => {
    const dropout = new StepDropout({rate: 0.5});
    const ones = tf.ones([40, 10]);
    const draw = (seed: number) => {
      dropout.random = seeded(seed);
      return list(dropout.apply(ones, {training: true}) as tf.Tensor);
    };
    const first = draw(1);
    expect(draw(2)).not.toEqual(first);
    expect(draw(1)).toEqual(first);
    // 400 fair coins: mean 200, deviation 10; 5 deviations either side.
    expect(Math.abs(first.filter(value => value === 0).length - 200)).toBeLessThan(50);
  });

  test('in inference it changes nothing and draws nothing', () => {
    const dropout = new StepDropout({rate: 0.9});
    dropout.random = {
      uniform: () => {
        throw new Error('drawn');
      },
      split: () => dropout.random,
    };
    expect(list(dropout.apply(tf.tensor1d([1, 2, 3])) as tf.Tensor)).toEqual([1, 2, 3]);
  });

  test('it passes a mask on, and its configuration rebuilds it', () => {
    const dropout = new StepDropout({rate: 0.3, name: 'words'});
    const mask = tf.tensor2d([[1, 0]]);
    expect(dropout.computeMask(tf.zeros([1, 2, 3]), mask)).toBe(mask);
    const config = dropout.getConfig();
    expect(new StepDropout(config as {rate: number}).getConfig()).toEqual(config);
    expect(config).toMatchObject({rate: 0.3, name: 'words'});
  });

  test('a rate that leaves nothing is refused', () => {
    expect(() => new StepDropout({rate: 1})).toThrow(
      'StepDropout: rate must be a number of at least 0 and below 1, but got 1.',
    );
  });
});

eachBackendOfPrograms('TokenEmbedding', () => {
  const build = () => {
    const embedding = new TokenEmbedding({inputDim: 3, outputDim: 2, seed: 5});
    embedding.build();
    embedding.setWeights([
      tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    ]);
    return embedding;
  };

  test('each token becomes its row, and the mask has a 1 for each that is no padding', () => {
    const tokens = tf.tensor2d([2, 1, 0, 1, 0, 0], [2, 3], 'int32');
    const embedding = build();
    expect(list(embedding.apply(tokens) as tf.Tensor)).toEqual([5, 6, 3, 4, 1, 2, 3, 4, 1, 2, 1, 2]);
    expect(list(embedding.computeMask(tokens))).toEqual([1, 1, 0, 1, 0, 0]);
  });

  test('the gradient of a row is the sum over the places where its token stands', () => {
    const embedding = build();
    const tokens = tf.tensor2d([1, 2, 1], [1, 3], 'int32');
    const weights = tf.tensor3d([1, 10, 100, 1000, 2, 20], [1, 3, 2]);
    const [variable] = embedding.trainableWeights.map(weight => weight.read() as tf.Variable);
    const {grads} = tf.variableGrads(
      () => tf.sum(tf.mul(weights, embedding.apply(tokens) as tf.Tensor)) as tf.Scalar,
      [variable!],
    );
    expect(list(grads[variable!.name]!)).toEqual([0, 0, 3, 30, 100, 1000]);
  });

  test('the initial vectors are of deviation 0.01 and the same for the same seed', () => {
    const draw = (seed: number) => {
      const embedding = new TokenEmbedding({inputDim: 100, outputDim: 50, seed});
      embedding.build();
      return list(embedding.getWeights()[0]!);
    };
    const values = draw(3);
    expect(draw(3)).toEqual(values);
    expect(draw(4)).not.toEqual(values);
    const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
    // Of 5000 draws the deviation is known to 1 in sqrt(2 * 5000) = 100; 5 deviations either side.
    expect(Math.abs(Math.sqrt(variance) / 0.01 - 1)).toBeLessThan(0.05);
  });
});

eachBackendOfPrograms('clipByGlobalNorm', () => {
  test('gradients whose norm together is too large are shortened in proportion', () => {
    // The norm of (3, 0, 4, 12) is 13.
    const clipped = clipByGlobalNorm([tf.tensor1d([3, 0]), tf.tensor2d([[4, 12]])], 6.5);
    expectClose(clipped[0]!, [1.5, 0], ROUNDING);
    expectClose(clipped[1]!, [2, 6], ROUNDING);
  });

  test('shorter ones are left as they are, zeros too', () => {
    const [short, zero] = clipByGlobalNorm([tf.tensor1d([3, 4]), tf.zeros([2])], 5.5);
    expect(list(short!)).toEqual([3, 4]);
    expect(list(zero!)).toEqual([0, 0]);
  });
});

describe('the schedule of the learning rate', () => {
  const run = (figures: number[], options = {factor: 0.5, patience: 2}) => {
    const rates: number[] = [];
    figures.reduce<PlateauState>((state, figure) => {
      const next = afterValidation(state, figure, options);
      rates.push(next.learningRate);
      return next;
    }, startPlateau(1));
    return rates;
  };

  test('the rate is halved at the validation after `patience` ones without a gain, and the count begins again', () => {
    // The first is the highest, then 2 are borne with and the third halves; the same again.
    expect(run([0.5, 0.5, 0.4, 0.5, 0.3, 0.3, 0.3])).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.25]);
  });

  test('a gain begins the count again, and only what exceeds the highest is one', () => {
    expect(run([0.5, 0.4, 0.4, 0.6, 0.55, 0.58, 0.59])).toEqual([1, 1, 1, 1, 1, 1, 0.5]);
  });

  test('a gain of less than a ten-thousandth is none', () => {
    expect(run([0.5, 0.50004, 0.50004, 0.50004])).toEqual([1, 1, 1, 0.5]);
    expect(run([0.5, 0.50006, 0.50007, 0.50008])).toEqual([1, 1, 1, 1]);
  });

  test('with the patience of the published code, four, the fifth validation without a gain halves', () => {
    expect(run([0.3, 0.2, 0.2, 0.2, 0.2, 0.2], {factor: 0.5, patience: 4})).toEqual([1, 1, 1, 1, 1, 0.5]);
  });

  test('an accuracy of 0 is a figure like any other', () => {
    expect(run([0, 0, 0, 0])).toEqual([1, 1, 1, 0.5]);
  });

  test('a rate that would change by next to nothing stays', () => {
    const state = {learningRate: 1e-8, best: 1, badValidations: 2};
    expect(afterValidation(state, 0, {factor: 0.5, patience: 2}).learningRate).toBe(1e-8);
  });
});

describe('when validation is due', () => {
  const due = (validations: number, batches: number) =>
    Array.from({length: batches}, (_, i) => i + 1).filter(done => isValidationDue({validations}, done, batches));

  test('it is in the middle and at the end of an epoch, by whole batches', () => {
    expect(due(2, 10)).toEqual([5, 10]);
    expect(due(2, 7)).toEqual([4, 7]);
    expect(due(3, 7)).toEqual([3, 5, 7]);
  });

  test('it is after each batch where there are fewer batches than validations', () => {
    expect(due(4, 2)).toEqual([1, 2]);
    expect(due(2, 1)).toEqual([1]);
  });
});

describe('the options', () => {
  const choose = (...args: string[]) => {
    const command = addOptions(new Command().exitOverride().configureOutput({writeErr: () => {}}), 'comparison.svg');
    return chooseSettings(command.parse(args, {from: 'user'}).opts<Options>());
  };

  test('without any, the settings are those of the ReinMax paper', () => {
    expect(choose()).toMatchObject({
      ...{setting: 'reinmax', estimator: 'reinmax', temperature: 1.1, tokens: 'token', maxLength: null, leaf: 'lstm'},
      ...{embedding: 300, units: 300, dropout: 0.5, optimizer: 'radam', learningRate: 7e-4, batchSize: 16, epochs: 20},
      ...{minutes: null, validations: 2, numSamples: null, seed: 0},
    });
  });

  test.each([
    ['st', 1],
    ['stgs', 0.1],
    ['gst', 0.1],
    ['gumbelRao', 0.1],
    ['reinmax', 1.1],
  ])('%s has the temperature %d unless it is named', (estimator, temperature) => {
    expect(choose('--estimator', estimator).temperature).toBe(temperature);
    expect(choose('--estimator', estimator, '--temperature', '0.7').temperature).toBe(0.7);
  });

  test('those of the Gumbel-Rao paper have batches of the greatest length, and SGD', () => {
    expect(choose('--setting', 'gumbel-rao')).toMatchObject({
      ...{estimator: 'gumbelRao', numSamples: 100, maxLength: 10, batchSize: 10, optimizer: 'sgd'},
    });
    expect(choose('--setting', 'gumbel-rao', '--max-length', '25', '--estimator', 'st')).toMatchObject({
      ...{estimator: 'straightThrough', numSamples: null, maxLength: 25, batchSize: 25},
    });
  });

  test('each value of a preset gives way to its option', () => {
    const args = ['--setting', 'gumbel-rao', '--max-length', '50', '--batch-size', '8', '--optimizer', 'adam'];
    expect(choose(...args, '--learning-rate', '0.01', '--epochs', '3', '--num-samples', '10')).toMatchObject({
      ...{maxLength: 50, batchSize: 8, optimizer: 'adam', learningRate: 0.01, epochs: 3, numSamples: 10},
    });
  });

  test('minutes take the place of epochs', () => {
    expect(choose('--minutes', '30')).toMatchObject({minutes: 30, epochs: null});
    expect(() => choose('--minutes', '30', '--epochs', '2')).toThrow(/--minutes <m>' cannot be used with.*--epochs/);
  });

  test('the output folder tells runs apart', () => {
    expect(outputName(choose())).toBe('reinmax-reinmax-t1.1-seed0');
    expect(outputName(choose('--setting', 'gumbel-rao', '--seed', '3', '--temperature', '0.01'))).toBe(
      'gumbel-rao-L10-gumbelRao-t0.01-k100-seed3',
    );
    expect(outputName(choose('--tokens', 'character', '--estimator', 'gst', '--max-length', '20'))).toBe(
      'reinmax-L20-character-gappedStraightThrough-t0.1-seed0',
    );
  });

  test('the options of a saved run give its settings again', () => {
    const where = {backend: 'wasm', trainingKernels: true, data: 'somewhere', dataDir: null};
    for (const args of [[], ['--setting', 'gumbel-rao', '--num-samples', '7', '--minutes', '2', '--limit', '9']]) {
      const choice = choose(...args);
      const again = {...toOptions({...choice, ...where})} as Options;
      expect(chooseSettings(again)).toEqual(choice);
    }
  });

  test.each([
    [['--num-samples', '5'], '--num-samples: reinmax has none, but got 5; it is for gumbelRao.'],
    [['--dropout', '1'], '--dropout: must be below 1, but got 1.'],
    [['--dropout', '-0.1'], 'It must be a number of at least 0'],
    [['--setting', 'gst'], 'Allowed choices are reinmax, gumbel-rao.'],
    [['--estimator', 'reimax'], 'Allowed choices are'],
    [['--max-length', '0'], 'It must be a whole number of at least 1.'],
  ])('%j is refused in words', (args, message) => {
    expect(() => choose(...args)).toThrow(message);
  });
});

describe('the charts', () => {
  const record = {epoch: 0.5, step: 3, trainLoss: 2, trainAccuracy: 0.2, validationLoss: 1.9, validationAccuracy: 0.25};
  const history = [{...record, learningRate: 1, examplesPerSecond: 9, seconds: 1}];

  test('a run is drawn as loss and accuracy in percent, in training and in validation', () => {
    const {hconcat} = runChart(history, 'title') as unknown as {hconcat: {data: {values: {value: number}[]}}[]};
    expect(hconcat.map(({data}) => data.values.map(({value}) => value))).toEqual([
      [2, 1.9],
      [20, 25],
    ]);
  });

  test('a comparison has a panel a kind of data and a curve a run', () => {
    const curve = {panel: 'L10', label: 'ReinMax', history};
    const {data} = comparisonChart([curve, {...curve, panel: 'L25'}]) as unknown as {data: {values: object[]}};
    expect(data.values).toEqual([
      {run: 0, panel: 'L10', label: 'ReinMax', epoch: 0.5, percent: 25},
      {run: 1, panel: 'L25', label: 'ReinMax', epoch: 0.5, percent: 25},
    ]);
  });
});

test('StepDropout and TokenEmbedding work in a saved model that is loaded again', async () => {
  await tf.setBackend('cpu');
  const tokens = tfl.input({shape: [null]});
  const embedded = new TokenEmbedding({inputDim: 4, outputDim: 3, seed: 1}).apply(tokens) as tfl.SymbolicTensor;
  const outputs = new StepDropout({rate: 0.5}).apply(embedded) as tfl.SymbolicTensor;
  const model = tfl.model({inputs: tokens, outputs});
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async saved => {
      artifacts = saved;
      return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
    }),
  );
  const loaded = await tfl.loadLayersModel(tf.io.fromMemory(artifacts!));
  const x = tf.tensor2d([[1, 2, 0]], [1, 3], 'int32');
  expect(list(loaded.predict(x) as tf.Tensor)).toEqual(list(model.predict(x) as tf.Tensor));
  model.dispose();
  loaded.dispose();
});
