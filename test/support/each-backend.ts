// Runs a suite once on each backend of the project of Vitest under way: cpu and wasm, or the one of another row of test/rows.
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, beforeEach, describe, inject} from 'vitest';

declare module 'vitest' {
  export interface ProvidedContext {
    /** What `eachBackend` runs on. */
    backends: readonly string[];
  }
}

// Keeps tfjs from advertising its native backend on every first use of the cpu one.
tf.enableProdMode();

/** Names of TensorFlow.js. */
export const BACKENDS: readonly string[] = inject('backends');

/** The cpu backend, and those of this row that are compared with it. */
export const CPU_AND_BACKENDS: readonly string[] = ['cpu', ...BACKENDS.filter(backend => backend !== 'cpu')];

/** Describes a suite once a backend; tensors that a test makes and does not dispose are freed after it. */
export function eachBackend(title: string, suite: (backend: string) => void): void {
  describe.each(BACKENDS)(`${title} on %s`, backend => onBackend(backend, suite));
}

/** Runs a suite within the `describe` that calls this, on one backend. */
export function onBackend(backend: string, suite: (backend: string) => void): void {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });
  // Not by afterEach, which also runs after a test that a row skips before this has begun a scope.
  beforeEach(() => {
    tf.engine().startScope();
    return () => tf.engine().endScope();
  });
  suite(backend);
}
