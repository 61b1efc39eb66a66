// Runs a suite on each backend, and where wasm is one of them, once more with the kernels of tfjs-moe/wasm.
import * as tf from '@tensorflow/tfjs-core';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {afterAll, beforeAll, describe} from 'vitest';
import {BACKENDS, eachBackend, onBackend} from './each-backend.js';

/** As `eachBackend`, for suites over what a fused kernel does: their laws hold with it and without. */
export function eachBackendAndKernels(title: string, suite: (backend: string) => void): void {
  eachBackend(title, suite);
  if (!BACKENDS.includes('wasm')) return;
  describe(`${title} on wasm with our kernels`, () => {
    beforeAll(async () => {
      await tf.setBackend('wasm');
      registerWasmTrainingKernels();
    });
    afterAll(() => unregisterWasmTrainingKernels());
    onBackend('wasm', suite);
  });
}
