// The programs of the guides are run as they stand there.
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {expect, test} from 'vitest';
import {expectClose, list} from './support/expect-close.js';

/** Runs the n-th program of a guide, with a line that gives away some of its variables. */
async function run<T>(guide: string, n: number, variables: string): Promise<T> {
  const text = await readFile(`docs/guides/${guide}.md`, 'utf8');
  const block = [...text.matchAll(/```ts\n([\s\S]*?)```/g)][n]![1]!;
  const imports = block.includes('tfjs-core') ? '' : "import * as tf from '@tensorflow/tfjs-core';\n";
  const folder = await mkdtemp(join(import.meta.dirname, '.guide-'));
  try {
    const file = join(folder, 'program.ts');
    await writeFile(file, `${imports}${block}\nexport const found = ${variables};\n`);
    return (await import(file)).found;
  } finally {
    await rm(folder, {recursive: true});
  }
}

test('the discrete VAE of the guide tells the eight pictures apart and gives them back', async () => {
  const {x, codes, pictures, dreams} = await run<Record<string, tf.Tensor>>(
    'discrete-latents',
    0,
    '{x, codes, pictures, dreams}',
  );
  expect([codes!.shape, pictures!.shape, dreams!.shape]).toEqual([
    [400, 2],
    [400, 64],
    [5, 64],
  ]);
  const used = new Set((codes!.arraySync() as number[][]).map(String));
  expect(used.size).toBeGreaterThan(4);
  // Without a code the error is 7/64 = .11.
  expect(tf.mean(tf.square(tf.sub(pictures!, x!))).dataSync()[0]).toBeLessThan(0.06);
});

test('the reward of the guide is learned from its value alone', async () => {
  const {logits} = await run<{logits: tf.Variable}>('discrete-latents', 1, '{logits}');
  // Uniform choices have a mean reward of 4.5, the best one of 9.
  const reward = tf.mean(tf.sum(tf.mul(tf.softmax(logits), tf.range(0, 10)), 1));
  expect(reward.dataSync()[0]).toBeGreaterThan(7);
});

test('the latent tree of the guide learns its answers and gives its trees', async () => {
  const {history, merges, sentences} = await run<{
    history: Record<string, number[]>;
    merges: tf.Tensor2D;
    sentences: number[][];
  }>('latent-trees', 0, '{history, merges, sentences}');
  expect(history.acc!.at(-1)).toBeGreaterThan(0.9); // by chance: 1/4
  const lengths = sentences.map(words => words.filter(word => word > 0).length);
  expect(merges.arraySync().map(row => 1 + row.filter(position => position >= 0).length)).toEqual(lengths);
});

test('the cell of the guide chooses the window that sees the answer, and goes on without its search', async () => {
  const {x, model, plain, probabilities, architecture} = await run<{
    x: tf.Tensor;
    model: tfl.LayersModel;
    plain: tfl.LayersModel;
    probabilities: number[];
    architecture: string;
  }>('architecture-search', 0, '{x, model, plain, probabilities, architecture}');
  expect(architecture).toBe('|window_9~0|');
  expect(probabilities[1]).toBeGreaterThan(0.8); // at the start: 1/3
  expect(plain.layers.map(layer => layer.getClassName())).not.toContain('SearchCell');
  expectClose(plain.predict(x) as tf.Tensor, list(model.predict(x) as tf.Tensor), 1e-5);
});

test('the cells of the guide are held to one choice, and drawn', async () => {
  const {held, drawing} = await run<{held: tf.Tensor; drawing: string}>('architecture-search', 1, '{held, drawing}');
  expect(held.shape).toEqual([1, 32, 32, 16]);
  expect(drawing).toContain('nor_conv_3x3');
});
