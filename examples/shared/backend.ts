// Starts the backend that the options ask for and says what it runs on.
// SPDX-License-Identifier: Apache-2.0
import {type BackendName, useBackend} from 'tfjs-moe/node';
import {registerWasmTrainingKernels} from 'tfjs-moe/wasm';

/** The options that choose the backend. */
export interface BackendOptions {
  backend: 'auto' | BackendName;
  threads: number;
  trainingKernels: boolean;
}

/** Starts the backend, prints what it runs on, and returns its name. */
export async function startBackend({backend, threads, trainingKernels}: BackendOptions): Promise<string> {
  const name = await useBackend(backend, {threads, trainingKernels, report: line => console.log(line)});
  if (name === 'wasm') console.log(describeWasm(threads, trainingKernels));
  return name;
}

function describeWasm(threads: number, trainingKernels: boolean): string {
  const machine = threads === 1 ? 'wasm' : `wasm on ${threads} threads`;
  if (!trainingKernels) return `${machine}, with its own kernels only`;
  const {kernels, notice} = registerWasmTrainingKernels(); // done before; it tells what is registered
  const without = notice === undefined ? '' : `, without the fastest: ${notice}`;
  return `${machine}, with ${kernels.length} training kernels of tfjs-moe/wasm${without}`;
}
