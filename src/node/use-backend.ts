// Chooses and starts a backend in Node, from what is installed.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkOneOf, ValueError} from '../errors.js';

/** A backend that `useBackend` can start. */
export type BackendName = 'wasm' | 'cpu';

interface Backend {
  package: string;
  /** Registers the backend; fails where the package is not installed. */
  load(): Promise<unknown>;
  /** What is done once it runs. */
  afterwards?(): Promise<void>;
}

/** In the order of preference. */
const BACKENDS: Record<BackendName, Backend> = {
  wasm: {
    package: '@tensorflow/tfjs-backend-wasm',
    load: () => import('@tensorflow/tfjs-backend-wasm'),
    async afterwards() {
      // Loaded here and not above: the module needs the wasm backend's package, which is optional.
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
 * @returns The name of the backend that now runs.
 * @throws ValueError for another name, for a backend whose package is not installed, and for one that does not start.
 * @example
 * await useBackend('auto'); // => 'wasm'
 */
export async function useBackend(name: 'auto' | BackendName): Promise<string> {
  checkOneOf('useBackend', 'name', name, BACKEND_CHOICES);
  const wanted = name === 'auto' ? (Object.keys(BACKENDS) as BackendName[]) : [name];
  for (const candidate of wanted) {
    if (!(await isInstalled(BACKENDS[candidate]))) continue;
    if (!(await tf.setBackend(candidate))) {
      throw new ValueError(`useBackend: the backend "${candidate}" is installed but did not start.`);
    }
    await tf.ready();
    await BACKENDS[candidate].afterwards?.();
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
