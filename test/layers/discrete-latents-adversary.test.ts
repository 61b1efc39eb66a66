// Discrete latent variables in unusual company: networks that have another life, other containers, saving with the optimizer, plain JavaScript.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {categoricalLatent, DiscreteVAE, type DiscreteVAEArgs, discreteVAE} from 'tfjs-moe/layers';
import {klToUniform, sumBinaryCrossentropy} from 'tfjs-moe/training';
import {beforeAll, describe, expect, test} from 'vitest';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {applied, modelOf, reload} from '../support/model.js';

const NETWORK = 1e-5;

const small = (args: Partial<DiscreteVAEArgs> = {}) =>
  discreteVAE({inputUnits: 4, hiddenUnits: [5], numLatents: 2, numCategories: 3, seed: 5, ...args});
const dense = (units: number, from: number, name?: string) =>
  tfl.layers.dense({units, inputShape: [from], ...(name && {name})});
const network = (...layers: tfl.layers.Layer[]) => tfl.sequential({layers});
function twoInputs(): tfl.LayersModel {
  const inputs = [tfl.input({shape: [4]}), tfl.input({shape: [2]})];
  return tfl.model({inputs, outputs: tfl.layers.concatenate().apply(inputs) as tfl.SymbolicTensor});
}
const pixels = (count = 6) => tf.tensor2d(numbers(2, 4 * count, 0, 1), [count, 4]);
const compile = (model: tfl.LayersModel, optimizer: tf.Optimizer = tf.train.sgd(0.1)) =>
  model.compile({optimizer, loss: sumBinaryCrossentropy});

eachBackend('discrete latents in company', () => {
  test('an encoder that another model holds stays there: that model saves and loads as before', async () => {
    const encoder = network(dense(6, 4, 'first'));
    const classifier = modelOf([4], input => applied(dense(2, 6), applied(encoder, input)));
    const name = encoder.name;
    const vae = small({encoder});
    expect(encoder.name).toBe(name);
    expectClose(
      (await reload(classifier)).predict(pixels()) as tf.Tensor,
      list(classifier.predict(pixels()) as tf.Tensor),
      NETWORK,
    );
    // The weights are shared: what the VAE learns the classifier has.
    compile(vae.model);
    const before = list(classifier.predict(pixels()) as tf.Tensor);
    await vae.model.fit(pixels(), pixels());
    expect(list(classifier.predict(pixels()) as tf.Tensor)).not.toEqual(before);
    expectClose(vae.encoder.predict(pixels()) as tf.Tensor, list(encoder.predict(pixels()) as tf.Tensor), NETWORK);
  });

  test('networks with dropout and batch normalisation train, do not leak, and save what they have learned', async () => {
    const encoder = network(dense(6, 4), tfl.layers.batchNormalization({}), tfl.layers.dropout({rate: 0.5, seed: 1}));
    const vae = small({encoder});
    compile(vae.model);
    await vae.model.fit(pixels(), pixels(), {validationData: [pixels(), pixels()]});
    const before = tf.memory().numTensors;
    const x = pixels();
    await vae.model.fit(x, x, {epochs: 2, validationData: [x, x]});
    x.dispose();
    expect(tf.memory().numTensors).toBe(before);
    expect(vae.latent.step).toBe(3); // validation draws nothing
    const loaded = new DiscreteVAE(await reload(vae.model));
    expect(list(loaded.reconstruct(pixels()))).toEqual(list(vae.reconstruct(pixels())));
    expect(loaded.latent.step).toBe(3);
  });

  test('the encoder of one discrete VAE serves in another, and both save and load', async () => {
    const first = small();
    const second = small({encoder: first.encoder, seed: 9});
    for (const vae of [first, second]) {
      const loaded = new DiscreteVAE(await reload(vae.model));
      expect(list(loaded.reconstruct(pixels()))).toEqual(list(vae.reconstruct(pixels())));
    }
    expect(list(second.encode(pixels()))).toEqual(list(first.encode(pixels())));
  });

  test('a model saved with its optimizer goes on as if it had not been, once it is compiled with that optimizer', async () => {
    const vae = small();
    compile(vae.model, tf.train.adam(0.05));
    await vae.model.fit(pixels(), pixels(), {epochs: 3, shuffle: false});
    const loaded = await reload(vae.model, true);
    compile(loaded, loaded.optimizer);
    const [expected, got] = await Promise.all(
      [vae.model, loaded].map(model => model.fit(pixels(), pixels(), {epochs: 3, shuffle: false})),
    );
    expectClose(got!.history.loss as number[], expected!.history.loss as number[], 1e-6);
  });

  test('setWeights carries over the temperature and the place in the noise', async () => {
    const [from, to] = [small(), small()];
    compile(from.model);
    await from.model.fit(pixels(), pixels(), {epochs: 2});
    from.latent.temperature = 0.5;
    to.model.setWeights(from.model.getWeights());
    expect([to.latent.step, to.latent.temperature]).toEqual([2, 0.5]);
    const draws = [from, to].map(({model}) => list(model.apply(pixels(), {training: true}) as tf.Tensor));
    expect(draws[1]).toEqual(draws[0]);
  });

  describe('the divergence is in the loss, once for each use', () => {
    const noLoss = (_targets: tf.Tensor, codes: tf.Tensor) =>
      tf.mul(0, tf.sum(tf.reshape(codes, [codes.shape[0]!, -1]), 1));
    const latent = () => categoricalLatent({numLatents: 2, numCategories: 3, seed: 1, name: 'latent'});
    const ones = () =>
      tfl.layers.dense({units: 6, inputShape: [4], kernelInitializer: tfl.initializers.glorotUniform({seed: 2})});
    const divergence = (logits: tf.Tensor) => list(tf.sum(klToUniform(tf.reshape(logits, [-1, 3]))))[0]!;
    const lossOf = async (model: tfl.LayersModel, x: tf.Tensor | tf.Tensor[]) => {
      model.compile({optimizer: tf.train.sgd(0), loss: noLoss});
      const y = model.predict(x) as tf.Tensor;
      return (await model.fit(x, y, {batchSize: 6})).history.loss![0] as number;
    };

    test('in a sequential model of two branches, and after that is saved', async () => {
      const logits = ones();
      const branch = network(logits, latent());
      const [a, b] = [tfl.input({shape: [4]}), tfl.input({shape: [4]})];
      const outputs = tfl.layers.concatenate().apply([applied(branch, a), applied(branch, b)]) as tfl.SymbolicTensor;
      const model = tfl.model({inputs: [a, b], outputs});
      const x = [pixels(), tf.neg(pixels())];
      const expected = x.map(part => divergence(logits.apply(part) as tf.Tensor) / 6);
      for (const version of [model, await reload(model)]) {
        expect(await lossOf(version, x)).toBeCloseTo(expected[0]! + expected[1]!, 4);
      }
    });

    test('under TimeDistributed, summed over time', async () => {
      const logits = ones();
      const layer = latent();
      const model = network(
        tfl.layers.timeDistributed({layer: logits, inputShape: [2, 4]}),
        tfl.layers.timeDistributed({layer}),
      );
      const x = tf.reshape(pixels(12), [6, 2, 4]);
      const expected = divergence(logits.apply(pixels(12)) as tf.Tensor) / 6;
      for (const version of [model, await reload(model)]) expect(await lossOf(version, x)).toBeCloseTo(expected, 4);
      expect(layer.step).toBe(2);
    });

    test('in a VAE inside another model', async () => {
      const [vae, twin] = [small(), small()];
      const outer = modelOf([4], input => applied(vae.model, input));
      compile(outer, tf.train.sgd(0));
      compile(twin.model, tf.train.sgd(0));
      const batch = {xs: pixels(), ys: pixels()};
      const [a, b] = await Promise.all([outer, twin.model].map(model => model.trainOnBatch(batch.xs, batch.ys)));
      expect(a).toBe(b);
    });
  });

  test.skipIf(!ON_HOST)(`NaN in the input is refused by encode, as it is by reconstruct${WHY_ON_HOST}`, () => {
    const x = tf.tensor2d([[0, 1, Number.NaN, 0]]);
    const vae = small({hiddenUnits: []}); // wasm's relu makes 0 of NaN
    expect(() => vae.encode(x)).toThrow(/^CategoricalLatent "latent": row 0 /);
    expect(() => vae.reconstruct(x)).toThrow(/^CategoricalLatent "latent": row 0 /);
  });

  test('integers and booleans are read as numbers, and a batch of none has codes and pictures of none', () => {
    const vae = small();
    const bits = tf.tensor2d([[0, 1, 1, 0]]);
    for (const dtype of ['int32', 'bool'] as const) {
      expect(list(vae.encode(tf.cast(bits, dtype)))).toEqual(list(vae.encode(bits)));
    }
    const codes = vae.encode(tf.zeros([0, 4]));
    expect([codes.shape, vae.decode(codes).shape, vae.reconstruct(tf.zeros([0, 4])).shape]).toEqual([
      [0, 2],
      [0, 4],
      [0, 4],
    ]);
  });

  test('a latent of integer logits decides and draws as of their float32', () => {
    const logits = [1, 5, 2, -3, 0, 4];
    const [a, b] = [0, 1].map(() => categoricalLatent({numLatents: 2, numCategories: 3, seed: 1, name: 'latent'}));
    for (const training of [true, false]) {
      const ofIntegers = a!.apply(tf.tensor2d([logits], [1, 6], 'int32'), {training}) as tf.Tensor;
      expect(ofIntegers.dtype).toBe('float32');
      expect(list(ofIntegers)).toEqual(list(b!.apply(tf.tensor2d([logits]), {training}) as tf.Tensor));
    }
  });
});

describe('discreteVAE for JavaScript', () => {
  beforeAll(() => tf.setBackend('cpu'));

  test.each([
    [{hiddenUnits: 5}, 'discreteVAE: hiddenUnits must be a list of widths, but got 5.'],
    [{encoder: dense(6, 4)}, 'discreteVAE: encoder must be a model of one input and one output, but got a Dense.'],
    [
      {decoder: Promise.resolve()},
      'discreteVAE: decoder must be a model of one input and one output, but got a Promise.',
    ],
    [{encoder: twoInputs()}, 'discreteVAE: encoder must be a model of one input and one output, but got a '],
    [{activation: 'reluu'}, 'Unknown activation: reluu'],
    [{estimator: 'reinmaxx'}, 'getEstimator: unknown name "reinmaxx"'],
  ])('%o is refused', (args, message) => {
    expect(() => small(args as never)).toThrow(message);
  });

  test('a seed of null is none, as in a saved configuration, and sample needs no source', () => {
    const vae = small({seed: null as never});
    expect(vae.sample(3).shape).toEqual([3, 4]);
    expect(list(vae.sample(50))).not.toEqual(list(vae.sample(50)));
  });

  test('networks whose weights have the same names are refused, since tfjs would save them and could not load them', () => {
    expect(() => small({encoder: network(dense(6, 4, 'same')), decoder: network(dense(4, 6, 'same'))})).toThrow(
      'discreteVAE: the weights of encoder and decoder must have different names, for the model to be saved and loaded, but got two of "same/kernel".',
    );
    const both = network(dense(6, 6, 'both'));
    expect(() => small({inputUnits: 6, encoder: both, decoder: both})).toThrow('but got two of "both/kernel"');
  });

  test('a disposed layer frees its weights once', () => {
    const before = tf.memory().numTensors;
    const layer = categoricalLatent({numLatents: 2, numCategories: 3});
    tf.dispose(layer.apply(tf.tidy(() => tf.zeros([1, 6]))) as tf.Tensor);
    layer.dispose();
    expect(tf.memory().numTensors).toBe(before + 1); // the input
    expect(() => layer.dispose()).toThrow('already disposed');
    expect(tf.memory().numTensors).toBe(before + 1);
  });
});
