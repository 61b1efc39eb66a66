// Which backend of TensorFlow.js computes: asked for by a lab, loaded then, and shown in the page's head.
// SPDX-License-Identifier: Apache-2.0
import {useEffect, useState} from 'preact/hooks';

/**
 * The backends, in the order of choice. The models here are small: on a GPU a step of theirs is mostly waiting, so wasm comes first;
 * webgpu goes before webgl, which must pack numbers into pictures.
 */
const BACKENDS = ['wasm', 'webgpu', 'webgl', 'cpu'] as const;

let running: string | undefined;
const listeners = new Set<(name: string | undefined) => void>();

/** The names of the backends that this browser can start, the best for small models first. */
export async function availableBackends(): Promise<string[]> {
  const works = await Promise.all(BACKENDS.map(name => canStart[name]()));
  return BACKENDS.filter((_, i) => works[i]);
}

/**
 * Starts a backend, loads what it needs first, and makes it TensorFlow.js's own. On wasm the training kernels of tfjs-moe are in place.
 *
 * @param name One of `availableBackends`. Default: the first of them that starts.
 * @returns The name of the backend that runs.
 * @throws Error where the one that was asked for cannot start.
 */
export async function startBackend(name?: string): Promise<string> {
  const wanted = name === undefined ? await availableBackends() : [name];
  for (const candidate of wanted) {
    if (await start(candidate)) {
      running = candidate;
      for (const listener of listeners) listener(running);
      return candidate;
    }
  }
  throw new Error(`startBackend: none of ${wanted.join(', ')} starts in this browser.`);
}

/** The name of the backend that runs; undefined before the first one does. */
export function useBackendName(): string | undefined {
  const [name, setName] = useState(running);
  useEffect(() => {
    setName(running);
    listeners.add(setName);
    return () => void listeners.delete(setName);
  }, []);
  return name;
}

const canStart: Record<(typeof BACKENDS)[number], () => boolean | Promise<boolean>> = {
  wasm: () => typeof WebAssembly === 'object',
  webgpu: async () => {
    const {gpu} = navigator as Navigator & {gpu?: {requestAdapter(): Promise<unknown>}};
    return (await gpu?.requestAdapter().catch(() => null)) != null;
  },
  webgl: () => document.createElement('canvas').getContext('webgl2') !== null,
  cpu: () => true,
};

async function start(name: string): Promise<boolean> {
  const [tf] = await Promise.all([import('@tensorflow/tfjs-core'), load(name)]);
  // The registry remembers a backend that failed; false is its answer the second time too.
  if (!(await tf.setBackend(name))) return false;
  await tf.ready();
  if (name === 'wasm') (await import('tfjs-moe/wasm')).registerWasmTrainingKernels();
  return true;
}

async function load(name: string): Promise<void> {
  if (name === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
  else if (name === 'webgl') await import('@tensorflow/tfjs-backend-webgl');
  else if (name === 'wasm') await loadWasm();
  else if (name === 'cpu') await import('@tensorflow/tfjs-backend-cpu');
  else throw new Error(`startBackend: unknown name "${name}". Expected one of: ${BACKENDS.join(', ')}.`);
}

/** The binaries are files of this page, whose names have a hash of the content. */
async function loadWasm(): Promise<void> {
  const [{setWasmPaths}, plain, simd, threaded] = await Promise.all([
    import('@tensorflow/tfjs-backend-wasm'),
    import('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url'),
    import('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url'),
    import('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url'),
  ]);
  if (running === 'wasm' || wasmPathsAreSet) return;
  wasmPathsAreSet = true;
  setWasmPaths({
    'tfjs-backend-wasm.wasm': plain.default,
    'tfjs-backend-wasm-simd.wasm': simd.default,
    'tfjs-backend-wasm-threaded-simd.wasm': threaded.default,
  });
}

/** tfjs refuses the paths once the backend has begun to start. */
let wasmPathsAreSet = false;
