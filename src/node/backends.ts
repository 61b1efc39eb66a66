// The backends of TensorFlow.js in Node: how each is loaded, and how one tells whether it works.
// SPDX-License-Identifier: Apache-2.0
import {createRequire} from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import {Unusable} from './unusable.js';
import {loadWebgpu} from './webgpu.js';

/** A backend that `useBackend` can start. */
export type BackendName = 'node-gpu' | 'node' | 'webgpu' | 'wasm' | 'cpu';

/** What a backend is started with. */
export interface StartOptions {
  /** Of wasm. */
  threads: number;
  /** Of wasm. */
  trainingKernels: boolean;
  /** Whether nobody asked for this backend in particular: it must then be as fast as its name promises. */
  isAutomatic: boolean;
}

interface Backend {
  /** The name by which TensorFlow.js knows it. */
  registeredAs: string;
  /** What must be installed. */
  packages: readonly string[];
  /** Makes it known to TensorFlow.js. @throws where a package is missing; Unusable where its libraries or its device are. */
  load(options: StartOptions): Promise<void>;
  /** What is done once it runs. */
  started?(options: StartOptions): Promise<void> | void;
}

/** In the order in which `auto` tries them. */
export const BACKENDS: Record<BackendName, Backend> = {
  'node-gpu': {
    registeredAs: 'tensorflow',
    packages: ['@tensorflow/tfjs-node-gpu'],
    load: () => loadNative('@tensorflow/tfjs-node-gpu'),
    started({isAutomatic}) {
      // Without a CUDA device the package computes on the processor, and says so to nobody.
      const {isUsingGpuDevice} = tf.backend() as unknown as {isUsingGpuDevice: boolean};
      if (isAutomatic && !isUsingGpuDevice) throw new Unusable('it found no CUDA device');
    },
  },
  node: {
    registeredAs: 'tensorflow',
    packages: ['@tensorflow/tfjs-node'],
    load: () => loadNative('@tensorflow/tfjs-node'),
  },
  webgpu: {
    registeredAs: 'webgpu',
    packages: ['@tensorflow/tfjs-backend-webgpu', 'webgpu'],
    load: ({isAutomatic}) => loadWebgpu({acceptSoftware: !isAutomatic}),
  },
  wasm: {
    registeredAs: 'wasm',
    packages: ['@tensorflow/tfjs-backend-wasm'],
    async load({threads}) {
      await import('@tensorflow/tfjs-backend-wasm');
      if (threads === 1) return;
      const {enableWasmThreads} = await import('../wasm/index.js');
      await enableWasmThreads(threads);
    },
    async started({trainingKernels}) {
      if (!trainingKernels) return;
      const {registerWasmTrainingKernels} = await import('../wasm/index.js');
      registerWasmTrainingKernels();
    },
  },
  cpu: {
    registeredAs: 'cpu',
    packages: ['@tensorflow/tfjs-backend-cpu'],
    async load() {
      await import('@tensorflow/tfjs-backend-cpu');
    },
  },
};

/** tfjs-node, whose two packages nobody need have installed: their names are no literals, so that the compiler looks for no types. */
async function loadNative(name: string): Promise<void> {
  // tfjs-node 4.22 calls functions that Node 23 removed (https://github.com/tensorflow/tfjs/issues/8609).
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '1'; // warnings and errors; else it tells on the error stream which instructions it uses
  try {
    await import(name);
  } catch (error) {
    if (isMissing(error, [name])) throw error;
    throw new Unusable(firstLine(error), {cause: error}); // its library was not downloaded, or is for another machine
  }
}

/** Whether a package is not installed; what breaks inside it is something else. */
export function isMissing(error: unknown, packages: readonly string[]): boolean {
  const {code, message} = error as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' && packages.some(name => message.includes(`'${name}'`));
}

const firstLine = (error: unknown) => String((error as Error).message).split('\n', 1)[0]!;

/** Rows and columns of the product that is tried: webgpu leaves what has fewer than 1,000 values to the host. */
const SIDE = 40;

/**
 * Starts a backend and has it compute something.
 *
 * @throws Unusable where it does not run; what else is thrown is the caller's to see.
 */
export async function startBackend(name: BackendName, options: StartOptions): Promise<void> {
  const {registeredAs, load, started} = BACKENDS[name];
  await load(options);
  if (!(await tf.setBackend(registeredAs))) {
    tf.removeBackend(registeredAs); // else TensorFlow.js tries it again
    throw new Unusable('it did not start');
  }
  await tf.ready();
  const product = tf.tidy(() => tf.matMul(tf.ones([SIDE, SIDE]), tf.ones([SIDE, SIDE])));
  const values = await product.data();
  product.dispose();
  if (values.some(value => value !== SIDE)) throw new Unusable('it computes wrong products');
  await started?.(options);
}
