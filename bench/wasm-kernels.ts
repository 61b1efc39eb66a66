// Training on wasm with the kernels of tfjs-moe/wasm against the stock backend, in one process and in turn.
// SPDX-License-Identifier: Apache-2.0
import {type ChildProcess, fork} from 'node:child_process';
import {availableParallelism} from 'node:os';
import {fileURLToPath} from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import {useBackend} from 'tfjs-moe/node';
import {groupedMatMul} from 'tfjs-moe/router';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {interleaved, median, medianRatio} from './interleaved.js';
import {bareProducts, multilayerPerceptronStep} from './multilayer-perceptron.js';
import {nextAnswer} from './next-answer.js';
import {timeEveryKernel} from './wasm-kernel-table.js';
import {MODEL_NAMES, type TrainingRun, trainModel} from './wasm-models.js';
import type {Answer, Work} from './wasm-threads-child.js';

/** The losses of both backends are sums in another order: how far they may come apart, relative to cpu's. */
const SAME_LOSS = 1e-4;
const MODEL_STEPS = 12;

/** The command. */
export async function benchWasmKernels({
  rounds,
  threads,
  json,
}: {
  rounds: number;
  threads: number;
  json: boolean;
}): Promise<void> {
  tf.enableProdMode(); // keeps tfjs from advertising its native backend when cpu starts
  await useBackend('wasm');
  const {kernels, notice} = registerWasmTrainingKernels();
  console.log(
    `${kernels.length} kernels: ${kernels.join(', ')}${notice === undefined ? '' : `\nNo own binary: ${notice}`}`,
  );
  const figures = {
    ...timeOps(rounds),
    ...timeStep(rounds),
    ...timeGroups(rounds),
    ...(await timeThreads(rounds, threads)),
  };
  await timeEveryKernel(rounds);
  const areSame = await compareModels();
  if (json) {
    const rounded = Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(3))]);
    console.log(JSON.stringify(Object.fromEntries(rounded)));
  }
  if (!areSame) process.exitCode = 1;
}

/** Runs a piece of work and frees what it makes, once its values are there. */
const op = (compute: () => tf.Tensor) => () => {
  compute().dispose();
};

const matrix = (seed: number, ...shape: number[]) => tf.randomUniform(shape, -1, 1, 'float32', seed);

/** Ops of which the backward passes of layers are made. */
function timeOps(rounds: number): Record<string, number> {
  const [a, b] = [matrix(1, 512, 512), matrix(2, 512, 512)] as tf.Tensor2D[];
  const [batchA, batchB] = [matrix(3, 8, 128, 128), matrix(4, 8, 128, 512)];
  const rows = matrix(5, 1024, 128);
  const order = tf.randomUniform([1024], 0, 1024, 'int32', 6) as tf.Tensor1D;
  console.log(`\nop, median of ${rounds} rounds               stock    with ours   times faster`);
  return {
    matMulTransposeA: stockOverOurs(
      '[512,512] matMul, transposeA',
      op(() => tf.matMul(a!, b!, true)),
      rounds,
      2,
    ),
    matMulTransposeB: stockOverOurs(
      '[512,512] matMul, transposeB',
      op(() => tf.matMul(a!, b!, false, true)),
      rounds,
      2,
    ),
    batchedMatMul: stockOverOurs(
      'eight [128,128] x [128,512]',
      op(() => tf.matMul(batchA, batchB)),
      rounds,
      4,
    ),
    gather: stockOverOurs(
      'gather of 1024 rows of 128',
      op(() => tf.gather(rows, order)),
      rounds,
      50,
    ),
    mlpStep: stockOverOurs('step of 784-512-256-10, Adam', multilayerPerceptronStep(), rounds, 1),
  };
}

/** Times a piece of work with the stock kernels and with ours, in turn, prints both and returns their ratio. */
function stockOverOurs(title: string, work: () => void, rounds: number, calls: number): number {
  const times = interleaved({stock: work, ours: work}, rounds, calls, name => {
    if (name === 'stock') unregisterWasmTrainingKernels();
    else registerWasmTrainingKernels();
  });
  const ratio = medianRatio(times.stock, times.ours);
  const milliseconds = (name: 'stock' | 'ours') => `${median(times[name]).toFixed(3)} ms`.padStart(12);
  console.log(
    `  ${title.padEnd(30)} ${milliseconds('stock')} ${milliseconds('ours')} ${ratio.toFixed(1).padStart(11)} x`,
  );
  return ratio;
}

/** The whole training step over its products alone, as the stock backend does them at its best. */
function timeStep(rounds: number): Record<string, number> {
  const times = interleaved({step: multilayerPerceptronStep(), products: bareProducts()}, rounds, 2, name => {
    if (name === 'products') unregisterWasmTrainingKernels();
    else registerWasmTrainingKernels();
  });
  const ratio = medianRatio(times.step, times.products);
  console.log(
    `\nthe step takes ${median(times.step).toFixed(2)} ms, its bare products with packed weights on stock kernels ` +
      `${median(times.products).toFixed(2)} ms: ${ratio.toFixed(2)} x`,
  );
  return {mlpStepOverMatMuls: ratio};
}

/** Products of the rows of each group with the group's own matrix, forward and backward, for many groups over one. */
function timeGroups(rounds: number): Record<string, number> {
  registerWasmTrainingKernels();
  const [numRows, depth, width] = [4096, 128, 512];
  const rows = matrix(7, numRows, depth) as tf.Tensor2D;
  const dy = matrix(8, numRows, width);
  const pass = (numGroups: number) => {
    const weights = matrix(9, numGroups, depth, width) as tf.Tensor3D;
    const sizes = new Array<number>(numGroups).fill(numRows / numGroups);
    const gradients = tf.grads((x, w) => tf.sum(tf.mul(groupedMatMul(x as tf.Tensor2D, w as tf.Tensor3D, sizes), dy)));
    return () => tf.dispose(gradients([rows, weights]));
  };
  const times = interleaved({one: pass(1), many: pass(64)}, rounds, 1);
  const ratio = medianRatio(times.many, times.one);
  console.log(
    `\n${numRows} rows, ${depth} to ${width}, forward and backward: one group ${median(times.one).toFixed(1)} ms, ` +
      `64 groups ${median(times.many).toFixed(1)} ms: ${ratio.toFixed(2)} x`,
  );
  return {grouped64Over1: ratio};
}

/** The same work in two processes, with one thread and with more; one works while the other rests. */
async function timeThreads(rounds: number, threads: number): Promise<Record<string, number>> {
  const children = await Promise.all([1, threads].map(startChild));
  const times = children.map(() => ({matMul: [] as number[], mlpStep: [] as number[]}));
  try {
    for (let round = -2; round < rounds; ++round) {
      for (const [i, child] of children.entries()) {
        child.send('measure');
        const {milliseconds} = (await nextAnswer<Answer>(child, 'wasm-kernels: the measuring process')) as {
          milliseconds: Record<Work, number>;
        };
        if (round < 0) continue;
        for (const name of ['matMul', 'mlpStep'] as const) times[i]![name].push(milliseconds[name]);
      }
    }
  } finally {
    for (const child of children) child.kill();
  }
  const [one, many] = times as [(typeof times)[number], (typeof times)[number]];
  console.log(
    `\n${threads} threads, of ${availableParallelism()} cores            1 thread    ${threads} threads   times faster`,
  );
  const ratio = (title: string, name: Work) => {
    const value = medianRatio(one[name], many[name]);
    const milliseconds = (side: typeof one) => `${median(side[name]).toFixed(2)} ms`.padStart(12);
    console.log(`  ${title.padEnd(30)} ${milliseconds(one)} ${milliseconds(many)} ${value.toFixed(2).padStart(11)} x`);
    return value;
  };
  return {
    [`threads${threads}MatMul`]: ratio('[512,512] matMul', 'matMul'),
    [`threads${threads}MlpStep`]: ratio('step of 784-512-256-10, Adam', 'mlpStep'),
  };
}

async function startChild(threads: number): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('./wasm-threads-child.ts', import.meta.url)), [String(threads)], {
    execArgv: ['--import', 'tsx'],
  });
  await nextAnswer<Answer>(child, 'wasm-kernels: the measuring process');
  return child;
}

/** Trains each model on cpu, on stock wasm and on wasm with ours; tells whether ours has cpu's losses. */
async function compareModels(): Promise<boolean> {
  await useBackend('cpu');
  const onCpu: Record<string, TrainingRun> = {};
  for (const name of MODEL_NAMES) onCpu[name] = await trainModel(name, MODEL_STEPS);
  await tf.setBackend('wasm');
  console.log(
    `\nmodel, ${MODEL_STEPS} steps        loss on cpu    with ours    difference   step: cpu    stock wasm    with ours`,
  );
  let areSame = true;
  for (const name of MODEL_NAMES) {
    unregisterWasmTrainingKernels();
    const stock = await trainModel(name, MODEL_STEPS).catch((error: Error) => error);
    registerWasmTrainingKernels();
    const ours = await trainModel(name, MODEL_STEPS);
    const cpu = onCpu[name]!;
    const difference = Math.max(...cpu.losses.map((loss, step) => Math.abs(ours.losses[step]! / loss - 1)));
    const isSame = difference <= SAME_LOSS; // false for NaN too
    areSame &&= isSame;
    const milliseconds = (run: TrainingRun) => `${run.milliseconds.toFixed(2)} ms`;
    const row = [
      cpu.losses.at(-1)!.toFixed(6).padStart(12),
      ours.losses.at(-1)!.toFixed(6).padStart(12),
      `${difference.toExponential(1)}${isSame ? '' : ' (!)'}`.padStart(13),
      milliseconds(cpu).padStart(12),
      (stock instanceof Error ? 'fails' : milliseconds(stock)).padStart(13),
      milliseconds(ours).padStart(12),
    ];
    console.log(`  ${name.padEnd(19)} ${row.join(' ')}`);
  }
  if (!areSame) console.log(`The losses marked (!) differ from those on cpu by more than ${SAME_LOSS}.`);
  return areSame;
}
