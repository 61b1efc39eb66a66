// npm run bench -- listops: training of the latent tree encoder of ListOps, over the bare products of its textbook form.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {seeded} from 'tfjs-moe/estimators';
import {latentTreeEncoder} from 'tfjs-moe/layers';
import {useBackend} from 'tfjs-moe/node';
import {radam} from 'tfjs-moe/training';
import {interleaved, median, medianRatio, processTime} from './interleaved.js';
import {type Product, products, productsFlops} from './tree-products.js';

/** The setting of the ReinMax paper. */
const BATCH = 16;
const UNITS = 300;
const VOCABULARY = 16;
const CLASSES = 10;
/** All sentences of a batch have this length. */
const LENGTHS = [50, 100] as const;

/** The command. */
export async function benchListOps({rounds, json}: {rounds: number; json: boolean}): Promise<void> {
  tf.enableProdMode();
  await useBackend('wasm');
  console.log(
    `A step of training (RAdam) on ${BATCH} sentences of one length, ${UNITS} units; the products alone that the textbook form needs for it,\n` +
      'which composes every pair of neighbours anew at every step; and those alone that our form makes. Medians of rounds in turn, in time of the process on a core.\n',
  );
  const figures: Record<string, number> = {};
  for (const length of LENGTHS) {
    const step = trainingStep(length);
    const textbook = products('textbook', length, BATCH, UNITS);
    const own = products('once', length, BATCH, UNITS);
    const times = interleaved(
      {step, textbook: multiply(textbook), own: multiply(own)},
      rounds,
      1,
      undefined,
      processTime,
    );
    const perSecond = (1000 * BATCH) / median(times.step);
    const overTextbook = medianRatio(times.step, times.textbook);
    console.log(
      `length ${length}: ${perSecond.toFixed(1)} examples/s, ${median(times.step).toFixed(0)} ms a step, ${overTextbook.toFixed(3)} x the textbook's products ` +
        `(${describe(textbook, median(times.textbook))}),\n  ${medianRatio(times.step, times.own).toFixed(2)} x our own (${describe(own, median(times.own))})`,
    );
    figures[`examplesPerSecond${length}`] = Number(perSecond.toFixed(2));
    figures[`overMatMuls${length}`] = Number(overTextbook.toFixed(4));
    figures[`overOwnMatMuls${length}`] = Number(medianRatio(times.step, times.own).toFixed(3));
  }
  if (json) console.log(JSON.stringify(figures));
}

const describe = (list: readonly Product[], milliseconds: number) =>
  `${(productsFlops(list) / 1e9).toFixed(1)} GFLOP in ${milliseconds.toFixed(0)} ms`;

/** One step of the program's model, without its dropout. */
function trainingStep(length: number): () => void {
  const encoder = latentTreeEncoder({
    units: UNITS,
    estimator: 'reinmax',
    temperature: 1.1,
    seed: 0,
    name: `tree_${length}`,
  });
  const model = tfl.sequential({
    layers: [
      tfl.layers.embedding({inputDim: VOCABULARY, outputDim: UNITS, inputLength: length}),
      encoder,
      tfl.layers.dense({units: UNITS, activation: 'relu'}),
      tfl.layers.dense({units: CLASSES}),
    ],
  });
  const optimizer = radam(7e-4);
  const tokens = Int32Array.from(seeded(1).uniform(BATCH * length), u => 1 + Math.floor(u * (VOCABULARY - 1)));
  const x = tf.tensor2d(tokens, [BATCH, length], 'int32');
  const labels = tf.tensor1d(
    Int32Array.from(seeded(2).uniform(BATCH), u => Math.floor(u * CLASSES)),
    'int32',
  );
  return () =>
    tf.tidy(() => {
      const answers = tf.cast(tf.oneHot(labels, CLASSES), 'float32');
      const loss = optimizer.minimize(
        () => tf.losses.softmaxCrossEntropy(answers, model.apply(x, {training: true}) as tf.Tensor) as tf.Scalar,
        true,
      );
      loss!.dataSync(); // the work is done when the loss is there
    });
}

/** Runs the products on numbers drawn once; of equal shapes, the same numbers. */
function multiply(list: readonly Product[]): () => void {
  const operands = new Map<string, tf.Tensor2D>();
  const operand = (rows: number, columns: number) => {
    const key = `${rows}x${columns}`;
    if (!operands.has(key)) {
      const values = Float32Array.from(seeded(rows + columns).uniform(rows * columns));
      operands.set(key, tf.tensor2d(values, [rows, columns]));
    }
    return operands.get(key)!;
  };
  for (const {rows, inner, columns, transposeA, transposeB} of list) {
    operand(...((transposeA ? [inner, rows] : [rows, inner]) as [number, number]));
    operand(...((transposeB ? [columns, inner] : [inner, columns]) as [number, number]));
  }
  return () => {
    for (const {rows, inner, columns, transposeA, transposeB, times} of list) {
      const a = transposeA ? operand(inner, rows) : operand(rows, inner);
      const b = transposeB ? operand(columns, inner) : operand(inner, columns);
      for (let i = 0; i < times; ++i) tf.matMul(a, b, transposeA, transposeB).dispose();
    }
  };
}
