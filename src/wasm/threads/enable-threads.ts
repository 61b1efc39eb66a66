// Lets the wasm backend compute on several threads in Node.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {checkCount, ValueError} from '../../errors.js';
import {binaryBytes} from '../binary-bytes.js';
import {findThreadedBuild, makeThreadedBackend} from './threaded-backend.js';

/** What `enableWasmThreads` did. */
export interface WasmThreads {
  /** How many threads the backend will compute with, the caller's with them; in a browser 1, which is what our kernels have there. */
  threads: number;
  /** Why it is one thread, in words; undefined where it is more. */
  notice: string | undefined;
}

/** Under this key a factory of ours holds tfjs's; the registry is the only state, so that two copies of this file agree. */
const STOCK = Symbol.for('tfjs-moe.stock-factory');

/** Each thread is an engine of its own, with memory of its own outside the backend's; a thousand of them end the process. */
const MOST_THREADS = 64;

type Factory = ReturnType<typeof tf.findBackendFactory>;
type ThreadedFactory = Factory & {[STOCK]?: Factory};

/**
 * Lets the wasm backend compute on several threads in Node, where tfjs alone would use one (its issue 3830). Call it before
 * `tf.setBackend('wasm')`; it holds for that start and for later ones, and a further call before the start takes the place of the first.
 *
 * The backend is tfjs's own threaded build, which shares out products, convolutions, pooling, softmax, relu and sigmoid, over 8 threads
 * at most. Once `registerWasmTrainingKernels` is called, threads of our own share out our kernels instead and tfjs's rest until the
 * backend ends, also after `unregisterWasmTrainingKernels`: they wait by spinning, and what the two kinds take from each other is more
 * than tfjs's give.
 *
 * Large products scale almost with the cores. What does not: work under about a tenth of a millisecond, which is over before a sleeping
 * thread wakes and is left to one; copies and sums of more than the caches hold, for which one core takes the memory's whole speed; and
 * the kernels that neither tfjs nor we divide, element-wise sums, products and exponentials among them. Threads beyond the free cores slow
 * everything, so on a machine that is busy otherwise ask for fewer.
 *
 * The files of the build are those of the package: `setWasmPaths` does not change them.
 *
 * @param count Threads from 1 to 64, the caller's with them; 1 takes back an earlier call. Default: as many as the process may use at one
 *   time.
 * @returns threads: how many the backend will have; notice: why it is one, where it is. In a browser it is the browser that decides:
 *   tfjs uses threads by itself where the page is cross-origin isolated.
 * @throws ValueError if count is no whole number from 1 to 64, if the backend has been started or removed already, or if its package is
 *   not installed.
 * @example
 * await enableWasmThreads(2); // => {threads: 2, notice: undefined}
 * await tf.setBackend('wasm');
 */
export async function enableWasmThreads(count?: number): Promise<WasmThreads> {
  if (count !== undefined) checkCount('enableWasmThreads', 'count', count, 1, MOST_THREADS);
  const wasm = await importBackend();
  const {registry, registryFactory} = tf.engine();
  if (tf.getBackend() === 'wasm' || 'wasm' in registry) {
    throw new ValueError(
      'enableWasmThreads: it must be called before tf.setBackend("wasm"), but the backend has been started.',
    );
  }
  const entry = registryFactory.wasm;
  if (!entry) throw new ValueError('enableWasmThreads: the backend "wasm" must be registered, but it was removed.');
  const stock: ThreadedFactory = (entry.factory as ThreadedFactory)[STOCK] ?? entry.factory;
  entry.factory = stock;

  const build = whyOneThread(count) ?? (await findThreadedBuild());
  if (typeof build === 'string') {
    if (count !== undefined && count > 1 && !isIsolatedPage()) warn(build);
    return {threads: 1, notice: build};
  }
  const threads = count ?? defaultCount();
  const factory: ThreadedFactory = async () => {
    wasm.setThreadsCount(threads);
    try {
      return await makeThreadedBackend(
        wasm.BackendWasm as unknown as new (
          module: object,
        ) => BackendWasm,
        build,
        threads,
      );
    } catch (error) {
      warn(`the threaded build did not start (${(error as Error)?.message ?? error})`);
      return stock();
    }
  };
  factory[STOCK] = stock;
  entry.factory = factory;
  return {threads, notice: undefined};
}

function warn(reason: string): void {
  tf.backend_util.warn(`tfjs-moe/wasm: the wasm backend computes on one thread: ${reason}.`);
}

/** Why there can be one thread only, as far as this place tells; undefined where there can be more. */
function whyOneThread(count: number | undefined): string | undefined {
  if (count === 1) return 'one thread was asked for';
  if (!isNode()) {
    if (isIsolatedPage()) return 'outside Node our kernels compute on one; tfjs starts threads of its own by itself';
    return (
      'outside Node the browser decides, and tfjs uses threads where the page is served with the headers ' +
      'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
    );
  }
  if (typeof process.getBuiltinModule !== 'function') return 'threads need Node 20.19 or later';
  if (count === undefined && defaultCount() === 1) return 'this process may use one core only';
  return WebAssembly.validate(binaryBytes(true))
    ? undefined
    : 'this engine has no WebAssembly SIMD or no threads in WebAssembly';
}

function isNode(): boolean {
  return typeof process !== 'undefined' && Boolean(process.versions?.node);
}

/** Whether this is where tfjs uses threads without being asked. */
function isIsolatedPage(): boolean {
  return !isNode() && (globalThis as {crossOriginIsolated?: boolean}).crossOriginIsolated === true;
}

async function importBackend() {
  try {
    return await import('@tensorflow/tfjs-backend-wasm');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new ValueError(
      'enableWasmThreads: the package of the backend "wasm" is not installed. Run: npm install @tensorflow/tfjs-backend-wasm.',
    );
  }
}

function defaultCount(): number {
  return Math.min(process.getBuiltinModule('node:os').availableParallelism(), MOST_THREADS);
}
