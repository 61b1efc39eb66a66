// The scratch memory that our kernels take from the backend.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-wasm';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, expect, test} from 'vitest';
import {ownKernels} from '../../src/wasm/own-kernels.js';

const MEGABYTE = 2 ** 20;

beforeAll(async () => {
  await tf.setBackend('wasm');
});

test('scratch memory begins at a multiple of 16 bytes and goes back, also when its user throws', () => {
  const backend = tf.backend() as BackendWasm;
  const {memory} = (backend as unknown as {wasm: {asm: {memory: WebAssembly.Memory}}}).wasm.asm;
  const {withScratch} = ownKernels(backend)!;
  expect(withScratch(MEGABYTE, address => address % 16)).toBe(0);
  const before = memory.buffer.byteLength;
  for (let i = 0; i < 200; ++i) {
    expect(withScratch(MEGABYTE + i, address => address % 16)).toBe(0);
    expect(() =>
      withScratch(MEGABYTE, () => {
        throw new Error('in the body');
      }),
    ).toThrow('in the body');
  }
  expect(memory.buffer.byteLength).toBe(before);
});
