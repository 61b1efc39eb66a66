// Runs one scenario with threads in a process of its own, named by the first argument, and prints what it saw as one line of JSON.
// SPDX-License-Identifier: Apache-2.0
import {existsSync, readdirSync} from 'node:fs';
import os from 'node:os';
import workerThreads, {isMainThread, parentPort, Worker, workerData} from 'node:worker_threads';
import '@tensorflow/tfjs-layers';
import {type BackendWasm, getThreadsCount} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {groupedDense} from '../../src/ops/grouped-dense.js';
import {enableWasmThreads, registerWasmTrainingKernels, unregisterWasmTrainingKernels} from '../../src/wasm/index.js';
import {ownKernels} from '../../src/wasm/own-kernels.js';

const pause = (milliseconds: number) => new Promise(resolve => setTimeout(resolve, milliseconds));
const product = () => tf.tidy(() => tf.matMul(tf.ones([64, 70]), tf.ones([70, 66])).dataSync()[64 * 66 - 1]);

/** What of the process a start could change. */
function environment(): unknown[] {
  return [
    Object.getOwnPropertyDescriptor(globalThis, 'Worker') ?? null,
    os.cpus,
    workerThreads.Worker,
    JSON.stringify(tf.env().getFlags()),
  ];
}
const isSame = (before: unknown[]) => environment().every((value, i) => value === before[i]);

/** The message of what a call throws, with its name. */
async function messageOf(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return 'nothing thrown';
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

/** The losses of a small network, training it on batches of 100. */
function losses(): number[] {
  const layers = [128, 64, 10].map((units, i) =>
    tfl.layers.dense({
      units,
      activation: i < 2 ? 'relu' : 'linear',
      kernelInitializer: tfl.initializers.glorotUniform({seed: i}),
      ...(i === 0 ? {inputShape: [300]} : {}),
    }),
  );
  const model = tfl.sequential({layers});
  const x = tf.randomUniform([100, 300], 0, 1, 'float32', 4);
  const labels = tf.cast(tf.oneHot(tf.range(0, 100, 1, 'int32'), 10), 'float32');
  const optimizer = tf.train.adam(0.003, 0.9, 0.999, 1e-7);
  return Array.from({length: 5}, () =>
    tf.tidy(() => {
      const loss = optimizer.minimize(
        () => tf.losses.softmaxCrossEntropy(labels, model.apply(x) as tf.Tensor) as tf.Scalar,
        true,
      )!;
      return loss.dataSync()[0]!;
    }),
  );
}

/** Numbers that every count of threads should give alike. */
function results(): Record<string, number[]> {
  const random = (shape: number[], seed: number) => tf.randomUniform(shape, -1, 1, 'float32', seed);
  const values: Record<string, number[]> = {};
  const note = (name: string, make: () => tf.Tensor) => {
    values[name] = tf.tidy(() => [...make().dataSync()].filter((_, i) => i % 101 === 0));
  };
  for (const [tA, tB] of [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const) {
    const [a, b] = [random(tA ? [151, 129] : [129, 151], 1), random(tB ? [133, 151] : [151, 133], 2)];
    note(`product ${tA} ${tB}`, () => tf.matMul(a, b, tA, tB));
    note(`batch ${tA} ${tB}`, () => tf.matMul(tf.stack([a, a, a]), tf.stack([b, tf.neg(b), b]), tA, tB));
  }
  const images = random([4, 28, 28, 12], 3) as tf.Tensor4D;
  note('convolution', () => tf.conv2d(images, random([3, 3, 12, 20], 4) as tf.Tensor4D, 1, 'same'));
  note('depthwise convolution', () => tf.depthwiseConv2d(images, random([3, 3, 12, 1], 5) as tf.Tensor4D, 1, 'same'));
  note('pool', () => tf.maxPool(images, 2, 2, 'same'));
  note('softmax', () => tf.softmax(random([200, 300], 6)));
  note('gather', () => tf.gather(random([2000, 300], 7), tf.range(1999, -1, -1, 'int32')));
  const dense = (...[x, ...weights]: tf.Tensor[]) =>
    groupedDense(
      x as tf.Tensor2D,
      weights.slice(0, 4) as tf.Tensor2D[],
      weights.slice(4) as tf.Tensor1D[],
      [300, 0, 212, 5],
      'relu',
    );
  const operands = [
    random([517, 96], 8),
    ...[9, 10, 11, 12].map(seed => random([96, 256], seed)),
    ...[13, 14, 15, 16].map(seed => random([256], seed)),
  ];
  note('layers of groups', () => dense(...operands));
  const gradients = tf.grads(dense)(operands, random([517, 256], 17));
  for (const [i, gradient] of gradients.entries()) note(`gradient ${i} of layers of groups`, () => tf.clone(gradient));
  values.losses = losses();
  return values;
}

/** How many threads the system counts for this process; 0 where it does not tell. */
const numSystemThreads = () => (existsSync('/proc/self/task') ? readdirSync('/proc/self/task').length : 0);

const SCENARIOS: Record<string, (...args: string[]) => Promise<unknown>> = {
  async results(count, kernels) {
    const enabled = await enableWasmThreads(Number(count));
    await tf.setBackend('wasm');
    if (kernels === 'own') registerWasmTrainingKernels();
    await pause(200); // so that the threads of our own are there
    const backend = tf.backend() as BackendWasm;
    const first = results();
    const bytes = () => (backend as unknown as {wasm: {HEAPU8: Uint8Array}}).wasm.HEAPU8.byteLength;
    const before = bytes();
    const ballast = tf.fill([60_000_000], 3);
    const growth = bytes() - before;
    const end = tf.slice(ballast, [59_999_999], [1]).dataSync()[0];
    const grown = results();
    unregisterWasmTrainingKernels();
    const unregistered = results();
    return {
      enabled,
      threads: getThreadsCount(),
      numWorkers: ownKernels(backend)!.numWorkers,
      growth,
      end,
      first,
      grown,
      unregistered,
    };
  },

  async start() {
    const before = environment();
    const enabled = [await enableWasmThreads(3), await enableWasmThreads(2)];
    const isSameOnceEnabled = isSame(before);
    const starting = tf.setBackend('wasm');
    const isSameWhileItStarts = isSame(before);
    const whileItStarts = await messageOf(() => enableWasmThreads(2));
    await starting;
    product();
    return {
      enabled,
      threads: getThreadsCount(),
      isSameOnceEnabled,
      isSameWhileItStarts,
      isSameOnceStarted: environment()
        .slice(0, 3)
        .every((value, i) => value === before[i]),
      flag: tf.env().getFlags().WASM_HAS_MULTITHREAD_SUPPORT ?? null,
      whileItStarts,
      onceStarted: await messageOf(() => enableWasmThreads(2)),
    };
  },

  async 'take back'() {
    const stock = tf.findBackendFactory('wasm');
    await enableWasmThreads(2);
    const isOurs = tf.findBackendFactory('wasm') !== stock;
    const enabled = await enableWasmThreads(1);
    const isStock = tf.findBackendFactory('wasm') === stock;
    await tf.setBackend('wasm');
    return {isOurs, enabled, isStock, threads: getThreadsCount(), product: product()};
  },

  async again() {
    await enableWasmThreads(2);
    const factory = tf.findBackendFactory('wasm');
    const seen: unknown[] = [];
    const systemThreads: number[] = [];
    for (let i = 0; i < 6; ++i) {
      await tf.setBackend('wasm');
      registerWasmTrainingKernels();
      await pause(100);
      systemThreads.push(numSystemThreads());
      seen.push([getThreadsCount(), ownKernels(tf.backend() as BackendWasm)!.numWorkers, product()]);
      tf.removeBackend('wasm');
      await pause(100);
      tf.registerBackend('wasm', factory, 2);
    }
    tf.removeBackend('wasm');
    const removed = await messageOf(() => enableWasmThreads(2));
    return {seen, moreThreads: Math.max(...systemThreads.slice(2)) - systemThreads[1]!, removed};
  },

  async 'outside Node'(isolation) {
    if (isolation === 'isolated') Object.defineProperty(globalThis, 'crossOriginIsolated', {value: true});
    const warnings: unknown[] = [];
    console.warn = (...words: unknown[]) => warnings.push(words.join(' '));
    const node = process;
    globalThis.process = undefined as unknown as typeof process;
    const enabled = [enableWasmThreads(), enableWasmThreads(2)];
    const settled = await Promise.all(enabled).finally(() => {
      globalThis.process = node;
    });
    return {enabled: settled, warnings};
  },

  async 'failing start'(what) {
    const before = environment();
    const warnings: unknown[] = [];
    console.warn = (...words: unknown[]) => warnings.push(words.join(' '));
    if (what === 'compile') WebAssembly.compile = () => Promise.reject(new Error('on purpose'));
    if (what === 'thread') {
      workerThreads.Worker = class extends Worker {
        constructor(_: string, options: object) {
          super('throw new Error("on purpose")', options);
        }
      } as typeof Worker;
    }
    const enabled = await enableWasmThreads(2);
    workerThreads.Worker = Worker;
    const hasStarted = await tf.setBackend('wasm');
    const worker = Object.getOwnPropertyDescriptor(globalThis, 'Worker') ?? null;
    return {
      enabled,
      hasStarted,
      warnings,
      threads: getThreadsCount(),
      product: product(),
      isSame: worker === before[0],
    };
  },
};

async function main(): Promise<void> {
  const [name, ...args] = isMainThread ? process.argv.slice(2) : (workerData as string[]);
  if (name === 'in a thread') {
    const program = `import('tsx/esm/api').then(tsx => { tsx.register(); return import(${JSON.stringify(import.meta.url)}); })`;
    const thread = new Worker(program, {eval: true, workerData: args});
    thread.on('message', line => process.stdout.write(line));
    return;
  }
  const line = `${JSON.stringify(await SCENARIOS[name!]!(...args))}\n`;
  if (parentPort) parentPort.postMessage(line);
  else process.stdout.write(line);
}

await main();
