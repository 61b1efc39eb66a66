// Runs a suite on wasm with our kernels, once by our binary and once by what stands in for it where there is no SIMD.
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {afterAll, afterEach, beforeAll, beforeEach, describe, vi} from 'vitest';

/** Describes a suite twice; tensors that a test makes and does not dispose are freed after it. */
export function withAndWithoutBinary(title: string, suite: (hasBinary: boolean) => void): void {
  describe.each([true, false])(`${title}, by our binary: %s`, hasBinary => {
    beforeAll(async () => {
      await tf.setBackend('cpu');
      // A new backend: whether the binary can run is found out once for each.
      const factory = tf.findBackendFactory('wasm');
      tf.removeBackend('wasm');
      tf.registerBackend('wasm', factory, 2);
      await tf.setBackend('wasm');
      if (!hasBinary) {
        vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
        vi.spyOn(console, 'warn').mockImplementation(() => {});
      }
      registerWasmTrainingKernels();
      vi.restoreAllMocks();
    });
    afterAll(() => unregisterWasmTrainingKernels());
    beforeEach(() => tf.engine().startScope());
    afterEach(() => tf.engine().endScope());
    suite(hasBinary);
  });
}
