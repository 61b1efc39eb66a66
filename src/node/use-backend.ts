// Chooses and starts a backend in Node, from what is installed.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkBoolean, checkCount, checkOneOf, ValueError} from '../errors.js';

/** A backend that `useBackend` can start. */
export type BackendName = 'wasm' | 'cpu';

/** Options of `useBackend`; they concern wasm alone. */
export interface UseBackendOptions {
  /** How many threads compute, from 1 to 64; more than one by `enableWasmThreads` of `tfjs-moe/wasm`. Default 1. */
  threads?: number;
  /** Whether to register the training kernels of `tfjs-moe/wasm`. Default true. */
  trainingKernels?: boolean;
}

interface Backend {
  package: string;
  /** Registers the backend; fails where the package is not installed. */
  load(): Promise<unknown>;
  /** What is done before it starts, and once it runs. */
  before?(options: Required<UseBackendOptions>): Promise<void>;
  after?(options: Required<UseBackendOptions>): Promise<void>;
}

/** In the order of preference. */
const BACKENDS: Record<BackendName, Backend> = {
  wasm: {
    package: '@tensorflow/tfjs-backend-wasm',
    load: () => import('@tensorflow/tfjs-backend-wasm'),
    async before({threads}) {
      if (threads === 1) return;
      const {enableWasmThreads} = await import('../wasm/index.js');
      await enableWasmThreads(threads);
    },
    async after({trainingKernels}) {
      if (!trainingKernels) return;
      const {registerWasmTrainingKernels} = await import('../wasm/index.js');
      registerWasmTrainingKernels();
    },
  },
  cpu: {package: '@tensorflow/tfjs-backend-cpu', load: () => import('@tensorflow/tfjs-backend-cpu')},
};

/** The names that `useBackend` takes. */
export const BACKEND_CHOICES = ['auto', ...(Object.keys(BACKENDS) as BackendName[])] as const;

/**
 * Starts a backend and makes it the current one. On wasm it also registers the training kernels of `tfjs-moe/wasm`.
 *
 * @param name `'wasm'`, `'cpu'` (pure JavaScript, slow), or `'auto'`: the first of these whose package is installed.
 * @param options.threads How many threads the wasm backend computes with. Default 1.
 * @param options.trainingKernels Whether wasm gets the training kernels. Default true.
 * @returns The name of the backend that now runs.
 * @throws ValueError for another name, for a backend whose package is not installed, for one that does not start, and for threads that
 *   are no whole number from 1 to 64 or are asked of a wasm backend that runs already.
 * @example
 * await useBackend('auto'); // => 'wasm'
 */
export async function useBackend(
  name: 'auto' | BackendName,
  {threads = 1, trainingKernels = true}: UseBackendOptions = {},
): Promise<string> {
  checkOneOf('useBackend', 'name', name, BACKEND_CHOICES);
  checkCount('useBackend', 'threads', threads, 1);
  checkBoolean('useBackend', 'trainingKernels', trainingKernels);
  const options = {threads, trainingKernels};
  const wanted = name === 'auto' ? (Object.keys(BACKENDS) as BackendName[]) : [name];
  for (const candidate of wanted) {
    if (!(await isInstalled(BACKENDS[candidate]))) continue;
    await BACKENDS[candidate].before?.(options);
    if (!(await tf.setBackend(candidate))) {
      throw new ValueError(`useBackend: the backend "${candidate}" is installed but did not start.`);
    }
    await tf.ready();
    await BACKENDS[candidate].after?.(options);
    return tf.getBackend();
  }
  const packages = wanted.map(candidate => BACKENDS[candidate].package);
  throw new ValueError(
    `useBackend: no package for the backend "${name}" is installed. Run: npm install ${packages.join(' or ')}.`,
  );
}

async function isInstalled(backend: Backend): Promise<boolean> {
  try {
    await backend.load();
    return true;
  } catch (error) {
    const {code, message} = error as NodeJS.ErrnoException;
    // Only the package itself may be absent; what breaks inside it is the user's to see.
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(backend.package)) return false;
    throw error;
  }
}
