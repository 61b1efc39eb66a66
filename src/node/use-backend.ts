// Chooses and starts a backend in Node, from what is installed.
// SPDX-License-Identifier: Apache-2.0
import {checkBoolean, checkCount, checkOneOf, show, ValueError} from '../errors.js';
import {BACKENDS, type BackendName, isMissing, startBackend} from './backends.js';
import {Unusable} from './unusable.js';

export type {BackendName} from './backends.js';

/** Options of `useBackend`. */
export interface UseBackendOptions {
  /** How many threads wasm computes with, from 1 to 64; more than one by `enableWasmThreads` of `tfjs-moe/wasm`. Default 1. */
  threads?: number;
  /** Whether wasm gets the training kernels of `tfjs-moe/wasm`. Default true. */
  trainingKernels?: boolean;
  /** Is told which backends `'auto'` passed over, and why, in a line; not called if there was none. */
  report?: (line: string) => void;
}

const NAMES = Object.keys(BACKENDS) as BackendName[];

/** The names that `useBackend` takes. */
export const BACKEND_CHOICES = ['auto', ...NAMES] as const;

/**
 * Starts a backend, has it compute a product to see that it works, and makes it the current one. On wasm it also registers the training kernels
 * of `tfjs-moe/wasm`.
 *
 * @param name `'node-gpu'` (`@tensorflow/tfjs-node-gpu`), `'node'` (`@tensorflow/tfjs-node`), `'webgpu'` (Dawn, by the package `webgpu`), `'wasm'`,
 *   `'cpu'` (pure JavaScript, slow), or `'auto'`: the first of these, in this order, that is installed and works; node-gpu and webgpu only with a
 *   real device.
 * @param options.threads How many threads the wasm backend computes with. Default 1.
 * @param options.trainingKernels Whether wasm gets the training kernels. Default true.
 * @param options.report Is told which backends `'auto'` passed over, and why.
 * @returns The name of the backend that now runs, one of the above. TensorFlow.js itself calls the first two `tensorflow`.
 * @throws ValueError for another name, for a backend whose package is not installed, for one that does not start, and for threads that
 *   are no whole number from 1 to 64 or are asked of a wasm backend that runs already.
 * @example
 * await useBackend('auto', {report: console.log}); // => 'wasm', where nothing faster is installed
 */
export async function useBackend(
  name: 'auto' | BackendName,
  {threads = 1, trainingKernels = true, report = () => {}}: UseBackendOptions = {},
): Promise<BackendName> {
  checkOneOf('useBackend', 'name', name, BACKEND_CHOICES);
  checkCount('useBackend', 'threads', threads, 1);
  checkBoolean('useBackend', 'trainingKernels', trainingKernels);
  if (typeof report !== 'function')
    throw new ValueError(`useBackend: report must be a function, but got ${show(report)}.`);
  const options = {threads, trainingKernels};
  if (name !== 'auto') {
    try {
      await startBackend(name, {...options, isAutomatic: false});
    } catch (error) {
      const refusal = refusalOf(name, error);
      throw new ValueError(`useBackend: the backend "${name}" cannot be used: ${inFull(refusal)}.`, {cause: error});
    }
    return name;
  }
  const refusals: Refusal[] = [];
  for (const candidate of NAMES) {
    try {
      await startBackend(candidate, {...options, isAutomatic: true});
    } catch (error) {
      refusals.push(refusalOf(candidate, error));
      continue;
    }
    const passedOver = refusals.map(({name, reason}) => `${name} (${reason})`);
    if (passedOver.length > 0) report(`backend ${candidate}; not ${passedOver.join(', ')}`);
    return candidate;
  }
  const reasons = refusals.map(refusal => `${refusal.name} (${inFull(refusal)})`);
  throw new ValueError(`useBackend: there is no backend that works: not ${reasons.join(', ')}.`);
}

/** Why a backend does not run, and the command that may mend it. */
interface Refusal {
  name: BackendName;
  reason: string;
  remedy?: string;
}

const inFull = ({reason, remedy}: Refusal) => (remedy === undefined ? reason : `${reason}; ${remedy}`);

/** @throws The error itself where it is not about that, such as threads that cannot be had. */
function refusalOf(name: BackendName, error: unknown): Refusal {
  const {packages} = BACKENDS[name];
  if (isMissing(error, packages)) {
    return {name, reason: 'not installed', remedy: `npm install ${packages.join(' ')}`};
  }
  if (error instanceof Unusable) return {name, reason: error.message};
  throw error;
}
