// The parts of the language model: attention, normalization, loss, windows, samples, text.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {describe, expect, test} from 'vitest';
import {loadText} from '../../examples/data/text.js';
import {ByteEmbedding} from '../../examples/moe-lm/byte-embedding.js';
import {CausalSelfAttention} from '../../examples/moe-lm/causal-self-attention.js';
import {crossEntropy} from '../../examples/moe-lm/cross-entropy.js';
import {describeReaders, isWithinBounds, showByte} from '../../examples/moe-lm/evaluate.js';
import {LayerNorm} from '../../examples/moe-lm/layer-norm.js';
import {createModel, withParts} from '../../examples/moe-lm/model.js';
import {draw, printable, sampleBytes} from '../../examples/moe-lm/sample.js';
import type {Settings} from '../../examples/moe-lm/settings.js';
import {learningRateAt} from '../../examples/moe-lm/training.js';
import {cutWindows, randomWindows, tiledWindows} from '../../examples/moe-lm/windows.js';
import {seeded} from '../../src/estimators/index.js';
import {ROUTERS, type RouterEntry} from '../../src/router/registry.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** Of float32 sums of some dozen products near 1. */
const ROUNDING = 2e-5;

const numbers = (count: number, seed: number) => Array.from(seeded(seed).uniform(count), u => 2 * u - 1);

/** Attention as its equation has it, by loops over positions. */
function slowAttention(x: number[][], inputKernel: number[][], outputKernel: number[][], heads: number): number[][] {
  const width = x[0]!.length;
  const perHead = width / heads;
  const times = (row: number[], matrix: number[][]) =>
    matrix[0]!.map((_, j) => row.reduce((sum, value, i) => sum + value * matrix[i]![j]!, 0));
  const projected = x.map(row => times(row, inputKernel));
  const mixed = x.map((_, t) => {
    const row: number[] = [];
    for (let head = 0; head < heads; ++head) {
      const part = (at: number, which: number) =>
        projected[at]!.slice(which * width + head * perHead, which * width + (head + 1) * perHead);
      const scores = Array.from(
        {length: t + 1},
        (_, s) => part(t, 0).reduce((sum, q, i) => sum + q * part(s, 1)[i]!, 0) / Math.sqrt(perHead),
      );
      const weights = scores.map(score => Math.exp(score));
      const total = weights.reduce((a, b) => a + b, 0);
      for (let i = 0; i < perHead; ++i) {
        row.push(weights.reduce((sum, weight, s) => sum + (weight / total) * part(s, 2)[i]!, 0));
      }
    }
    return row;
  });
  return mixed.map(row => times(row, outputKernel));
}

const rowsOf = (values: number[], width: number) =>
  Array.from({length: values.length / width}, (_, i) => values.slice(i * width, (i + 1) * width));

eachBackendAndKernels('CausalSelfAttention', () => {
  const [BATCH, TIME, WIDTH, HEADS] = [2, 5, 6, 3];
  const build = () => {
    const layer = new CausalSelfAttention({heads: HEADS, seed: 4});
    layer.build([null, null, WIDTH]);
    const kernels = [numbers(WIDTH * 3 * WIDTH, 1), numbers(WIDTH * WIDTH, 2)];
    layer.setWeights([tf.tensor2d(kernels[0]!, [WIDTH, 3 * WIDTH]), tf.tensor2d(kernels[1]!, [WIDTH, WIDTH])]);
    return {layer, kernels: [rowsOf(kernels[0]!, 3 * WIDTH), rowsOf(kernels[1]!, WIDTH)] as const};
  };

  test('it is what loops over positions and heads give, for each sequence of a batch', () => {
    const {layer, kernels} = build();
    const x = numbers(BATCH * TIME * WIDTH, 3);
    const sequences = rowsOf(x, TIME * WIDTH).map(values => rowsOf(values, WIDTH));
    const expected = sequences.flatMap(sequence => slowAttention(sequence, kernels[0], kernels[1], HEADS)).flat();
    expectClose(layer.apply(tf.tensor3d(x, [BATCH, TIME, WIDTH])) as tf.Tensor, expected, ROUNDING);
  });

  test('a later position changes no earlier output, and has no gradient from it', () => {
    const {layer} = build();
    const x = numbers(TIME * WIDTH, 5);
    const changed = x.map((value, i) => (i >= 3 * WIDTH ? 100 * value + 7 : value));
    const outputs = [x, changed].map(values => layer.apply(tf.tensor3d(values, [1, TIME, WIDTH])) as tf.Tensor3D);
    const before = outputs.map(output => list(tf.slice(output, [0, 0, 0], [1, 3, WIDTH])));
    expect(before[1]).toEqual(before[0]);
    expect(list(outputs[1]!)).not.toEqual(list(outputs[0]!));
    const gradient = tf.grad((input: tf.Tensor) =>
      tf.sum(tf.slice(layer.apply(input) as tf.Tensor3D, [0, 0, 0], [1, 3, WIDTH])),
    );
    const values = list(gradient(tf.tensor3d(x, [1, TIME, WIDTH])));
    expect(values.slice(3 * WIDTH)).toEqual(new Array(2 * WIDTH).fill(0));
    expect(values.slice(0, 3 * WIDTH).every(value => value !== 0)).toBe(true);
  });

  test('the beginning of a sequence gives the beginning of its output', () => {
    const {layer} = build();
    const x = numbers(TIME * WIDTH, 11);
    const whole = list(layer.apply(tf.tensor3d(x, [1, TIME, WIDTH])) as tf.Tensor);
    for (const time of [1, 3]) {
      const part = layer.apply(tf.tensor3d(x.slice(0, time * WIDTH), [1, time, WIDTH])) as tf.Tensor;
      expectClose(part, whole.slice(0, time * WIDTH), ROUNDING);
    }
  });

  test('the gradients of its input and weights are those of finite differences', () => {
    const {layer} = build();
    const x = tf.tensor3d(numbers(TIME * WIDTH, 6), [1, TIME, WIDTH]);
    const weights = tf.tensor3d(numbers(TIME * WIDTH, 7), [1, TIME, WIDTH]);
    const loss = (input: tf.Tensor) => tf.sum(tf.mul(weights, layer.apply(input) as tf.Tensor)) as tf.Scalar;
    const direction = tf.tensor3d(numbers(TIME * WIDTH, 8), [1, TIME, WIDTH]);
    const H = 1e-2; // the error of the quotient is of the order H^2, that of rounding 1e-7 / H
    const quotient = tf.div(
      tf.sub(loss(tf.add(x, tf.mul(H, direction))), loss(tf.sub(x, tf.mul(H, direction)))),
      2 * H,
    );
    expectClose(tf.sum(tf.mul(tf.grad(loss)(x), direction)), list(quotient), 2e-3);
    const variables = layer.trainableWeights.map(weight => weight.read() as tf.Variable);
    const {grads} = tf.variableGrads(() => loss(x), variables);
    for (const variable of variables) {
      const way = tf.tensor(numbers(variable.size, 9), variable.shape);
      const start = tf.clone(variable);
      const at = (h: number) => {
        variable.assign(tf.add(start, tf.mul(h, way)));
        return loss(x);
      };
      const [up, down] = [at(H), at(-H)];
      variable.assign(start);
      expectClose(tf.sum(tf.mul(grads[variable.name]!, way)), list(tf.div(tf.sub(up, down), 2 * H)), 5e-3);
    }
  });

  test('large scores give no NaN, and no tensor is left', () => {
    const {layer} = build();
    const x = tf.mul(1e4, tf.tensor3d(numbers(TIME * WIDTH, 10), [1, TIME, WIDTH]));
    const before = tf.memory().numTensors;
    const y = layer.apply(x) as tf.Tensor;
    expect(list(y).every(Number.isFinite)).toBe(true);
    y.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('CausalSelfAttention: a width that the heads do not divide is refused', () => {
  expect(() => new CausalSelfAttention({heads: 4}).build([null, null, 6])).toThrow(
    'CausalSelfAttention: the width (=6) must be a multiple of the heads (=4).',
  );
});

eachBackendOfPrograms('LayerNorm', () => {
  test('values and gradients are those of the layer of tfjs', () => {
    const WIDTH = 7;
    const ours = new LayerNorm({});
    const theirs = tfl.layers.layerNormalization({axis: -1, epsilon: 1e-5});
    const x = tf.tensor3d(numbers(3 * 4 * WIDTH, 1), [3, 4, WIDTH]);
    const weights = tf.tensor3d(numbers(3 * 4 * WIDTH, 2), [3, 4, WIDTH]);
    for (const layer of [ours, theirs]) {
      layer.apply(x);
      layer.setWeights([tf.tensor1d(numbers(WIDTH, 3)), tf.tensor1d(numbers(WIDTH, 4))]);
    }
    const results = [ours, theirs].map(layer => {
      const loss = (input: tf.Tensor) => tf.sum(tf.mul(weights, layer.apply(input) as tf.Tensor)) as tf.Scalar;
      const variables = layer.trainableWeights.map(weight => weight.read() as tf.Variable);
      const {grads} = tf.variableGrads(() => loss(x), variables);
      const ofWeights = variables.flatMap(({name}) => list(grads[name]!));
      return [...list(layer.apply(x) as tf.Tensor), ...list(tf.grad(loss)(x)), ...ofWeights];
    });
    expectClose(results[0]!, results[1]!, 1e-4);
  });
});

eachBackendOfPrograms('crossEntropy', () => {
  const ROWS = 6;
  const labels = () => tf.tensor1d([0, 3, 4, 1, 1, 2], 'int32');

  test('value and gradient are those of tf.losses.softmaxCrossEntropy', () => {
    const logits = tf.tensor2d(numbers(ROWS * 5, 1), [ROWS, 5]);
    const oneHot = tf.cast(tf.oneHot(labels(), 5), 'float32');
    const theirs = (x: tf.Tensor) => tf.losses.softmaxCrossEntropy(oneHot, x) as tf.Scalar;
    const ours = (x: tf.Tensor) => crossEntropy(x as tf.Tensor2D, labels());
    expectClose(ours(logits), list(theirs(logits)), ROUNDING);
    const scaled = (loss: (x: tf.Tensor) => tf.Scalar) => tf.grad(x => tf.mul(3, loss(x)))(logits);
    expectClose(scaled(ours), list(scaled(theirs)), ROUNDING);
  });

  test('logits a thousand apart give their difference, not infinity', () => {
    // Row by row: the label's logit is 2000 below the highest, or is the highest.
    const logits = tf.tensor2d([-1000, 1000, 0, 1000, -1000, 0], [2, 3]);
    expectClose(crossEntropy(logits, tf.tensor1d([0, 0], 'int32')), [1000], 1e-3);
  });

  test('equal logits cost log(categories)', () => {
    expectClose(crossEntropy(tf.zeros([3, 256]), tf.tensor1d([0, 9, 255], 'int32')), [Math.log(256)], ROUNDING);
  });
});

eachBackendOfPrograms('ByteEmbedding', () => {
  test('each output is the vector of its byte and that of its place; more bytes than places are refused', () => {
    const layer = new ByteEmbedding({width: 2, context: 3});
    layer.build();
    const bytes = Array.from({length: 256}, (_, byte) => [byte, 2 * byte]);
    layer.setWeights([
      tf.tensor2d(bytes),
      tf.tensor2d([
        [0.5, 0],
        [0.25, 0],
        [0.125, 0],
      ]),
    ]);
    const y = layer.apply(
      tf.tensor2d(
        [
          [7, 255],
          [0, 7],
        ],
        [2, 2],
        'int32',
      ),
    ) as tf.Tensor;
    expect(list(y)).toEqual([7.5, 14, 255.25, 510, 0.5, 0, 7.25, 14]);
    expect(() => layer.apply(tf.zeros([1, 4], 'int32'))).toThrow('the input has 4 bytes, but there are 3 places.');
  });
});

const SETTINGS: Settings = {
  experts: 2,
  topK: 1,
  router: 'switch',
  capacityFactor: null,
  balanceWeight: 0.01,
  blocks: 2,
  width: 8,
  heads: 2,
  context: 6,
  batchSize: 2,
  steps: 10,
  minutes: null,
  learningRate: 0.01,
  reportEvery: 10,
  seed: 1,
  backend: 'cpu',
  trainingKernels: false,
  data: '',
  text: null,
};

eachBackendOfPrograms('the language model', () => {
  const routers = Object.entries(ROUTERS as Record<string, RouterEntry>).filter(
    ([, {expertsChoose}]) => !expertsChoose,
  );
  const variants = routers.map(([router, {defaultTopK: topK}]) => ({experts: 2, router, topK}));
  test.each([...variants, {experts: null}])('with %j, a later byte changes no earlier logit', variant => {
    const {model} = createModel({...SETTINGS, ...variant});
    const bytes = [104, 101, 108, 108, 111, 33];
    const logits = (last: number) =>
      model.predict(tf.tensor2d([...bytes.slice(0, 5), last], [1, 6], 'int32')) as tf.Tensor3D;
    const [a, b] = [logits(33), logits(200)].map(all => list(tf.slice(all, [0, 0, 0], [1, 5, 256])));
    expectClose(a!, b!, 1e-6);
    expect(list(logits(33))).not.toEqual(list(logits(200)));
    model.dispose();
  });

  test('saved and loaded it foretells the same, and its parts are found', async () => {
    const {model} = createModel(SETTINGS);
    let saved: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async artifacts => {
        saved = artifacts;
        return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
      }),
    );
    const bytes = tf.tensor2d([1, 2, 250, 4], [1, 4], 'int32');
    const expected = list(model.predict(bytes) as tf.Tensor);
    model.dispose();
    const loaded = withParts(await tfl.loadLayersModel(tf.io.fromMemory(saved!)));
    expect(list(loaded.model.predict(bytes) as tf.Tensor)).toEqual(expected);
    expect(loaded.context).toBe(6);
    expect(loaded.moes).toHaveLength(2);
    loaded.model.dispose();
  });

  test('the same seed gives the same weights, another seed others, and no two matrices are equal', () => {
    const weights = (seed: number) => {
      const {model} = createModel({...SETTINGS, seed});
      const found = model.trainableWeights.map(weight => list(weight.read()).join());
      model.dispose();
      return found;
    };
    const [first, again, other] = [weights(1), weights(1), weights(2)];
    expect(again).toEqual(first);
    const drawn = first.filter(values => new Set(values.split(',')).size > 1);
    expect(new Set(drawn).size).toBe(drawn.length);
    expect(drawn.filter(values => other.includes(values))).toEqual([]);
  });

  test('a sample is as long as asked for, repeats with its seed, and follows more bytes than the context', async () => {
    const network = createModel(SETTINGS);
    const prompt = Uint8Array.from({length: 20}, (_, i) => i);
    const write = (seed: number) => sampleBytes(network, {prompt, count: 9, temperature: 1, random: seeded(seed)});
    const [first, again, other] = [await write(1), await write(1), await write(2)];
    expect(first).toHaveLength(9);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    network.model.dispose();
  });
});

describe('samples', () => {
  test('a uniform falls into the categories in order, by softmax(logits / temperature)', () => {
    // Probabilities 1/4, 1/4, 1/2; at temperature 1/2 their squares, 1/6, 1/6, 2/3.
    const logits = Float32Array.of(0, 0, Math.log(2));
    expect([0, 0.24, 0.26, 0.49, 0.51, 0.999].map(u => draw(logits, 1, u))).toEqual([0, 0, 1, 1, 2, 2]);
    expect([0.16, 0.17, 0.33, 0.34].map(u => draw(logits, 0.5, u))).toEqual([0, 1, 1, 2]);
    expect(draw(Float32Array.of(-1000, 0), 0.001, 1e-9)).toBe(1);
  });

  test('what would move the cursor, and what is no text, is printed as a dot', () => {
    expect(printable(Uint8Array.of(65, 10, 9, 27, 91, 0, 13, 255, 0xc3, 0xa4))).toBe('A\n\t·[···ä');
  });
});

describe('windows', () => {
  const text = Uint8Array.from({length: 50}, (_, i) => i);

  test('labels are the bytes one later', () => {
    const {bytes, labels} = cutWindows(text, 3, [0, 46]);
    expect(list(bytes)).toEqual([0, 1, 2, 46, 47, 48]);
    expect(list(labels)).toEqual([1, 2, 3, 47, 48, 49]);
    tf.dispose([bytes, labels]);
  });

  test('drawn windows lie within the text, and reach its first and its last byte', () => {
    const begins = randomWindows(text, 10, 2000, seeded(1));
    expect(Math.min(...begins)).toBe(0);
    expect(Math.max(...begins)).toBe(39); // its last label is byte 49
  });

  test('tiled windows stand side by side as long as a label is left, or are evenly spread', () => {
    expect(tiledWindows(text, 10)).toEqual([0, 10, 20, 30]);
    expect(tiledWindows(text, 7)).toEqual([0, 7, 14, 21, 28, 35, 42]);
    expect(tiledWindows(text, 7, 3)).toEqual([0, 14, 28]);
    expect(tiledWindows(text, 49)).toEqual([0]);
  });
});

describe('text', () => {
  test('the declarations of the compiler are found, named and counted, and their end is held out', async () => {
    const {source, train, heldOut, file} = await loadText({window: 129});
    expect(file).toBeUndefined();
    expect(source).toMatch(/^lib\.\*\.d\.ts of TypeScript \d+\.\d+\.\d+, \d+ files, [\d,]+ bytes: /);
    expect(heldOut.length).toBe(Math.floor((train.length + heldOut.length) / 10));
    expect(Buffer.from(train).toString('latin1')).toContain('interface Array<T>');
  });

  test('without the package the error names --text', async () => {
    const resolveModule = () => {
      throw new Error('not found');
    };
    await expect(loadText({window: 5, resolveModule})).rejects.toThrow(
      /"typescript".*not installed\. Name a text with --text/,
    );
  });

  test('a text of ten windows is the shortest', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-text-'));
    const path = join(folder, 'text');
    await writeFile(path, 'x'.repeat(50));
    expect((await loadText({text: path, window: 5})).heldOut).toHaveLength(5);
    await writeFile(path, 'x'.repeat(49));
    await expect(loadText({text: path, window: 5})).rejects.toThrow('has 49 bytes');
    await rm(folder, {recursive: true});
  });
});

describe('reports', () => {
  test('loads are within the bounds from a quarter of a balanced share to twice it', () => {
    expect(isWithinBounds([[0.5, 0.25, 0.1875, 0.0625]])).toBe(true);
    expect(
      isWithinBounds([
        [0.25, 0.25, 0.25, 0.25],
        [0.51, 0.25, 0.12, 0.12],
      ]),
    ).toBe(false);
    expect(isWithinBounds([[0.34, 0.3, 0.3, 0.06]])).toBe(false);
    expect(isWithinBounds([])).toBe(true);
  });

  test('an expert is described by the bytes that it reads above their share, most telling first', () => {
    const counts = (pairs: Record<string, number>) => {
      const row = new Array<number>(256).fill(0);
      for (const [character, count] of Object.entries(pairs)) row[character.charCodeAt(0)] = count;
      return row;
    };
    const readers = [[counts({a: 6, b: 3, ' ': 1}), counts({a: 2, '\n': 4}), counts({})]];
    // Of 16 bytes 8 are a, 3 b. Expert 0, of 10: a .6 log(.6 / .5) = .11, b .3 log(.3 / .1875) = .14, space .1 log(.1 / .0625) = .05.
    expect(describeReaders(readers)).toBe('block 0 expert 0  b a ␣\nblock 0 expert 1  ⏎\nblock 0 expert 2  -');
    expect([9, 33, 126, 127, 255].map(showByte)).toEqual(['09', '!', '~', '7F', 'FF']);
  });

  test('the learning rate rises over a twentieth of the run and falls along half a cosine to nothing', () => {
    const rates = [0, 0.025, 0.05, 0.525, 1].map(share => learningRateAt({...SETTINGS, learningRate: 1}, share));
    expectClose(rates, [0, 0.5, 1, 0.5, 0], 1e-12);
  });
});
