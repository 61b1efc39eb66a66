// Registering and unregistering the wasm kernels.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from '../../src/wasm/index.js';

const NAMES = ['BatchMatMul', '_FusedMatMul'];
const registered = () => NAMES.map(name => tf.getKernel(name, 'wasm').kernelFunc);

describe('registerWasmTrainingKernels', () => {
  beforeEach(async () => {
    await tf.setBackend('wasm');
  });
  afterEach(() => unregisterWasmTrainingKernels());

  test('each kernel is replaced, and the stock one comes back', () => {
    const stock = registered();
    registerWasmTrainingKernels();
    registered().forEach((kernel, i) => {
      expect(kernel).not.toBe(stock[i]);
    });
    unregisterWasmTrainingKernels();
    expect(registered()).toEqual(stock);
  });

  test('a second call changes nothing, and one call undoes both', () => {
    const stock = registered();
    registerWasmTrainingKernels();
    const ours = registered();
    registerWasmTrainingKernels();
    expect(registered()).toEqual(ours);
    unregisterWasmTrainingKernels();
    expect(registered()).toEqual(stock);
  });

  test('unregistering twice, or with nothing registered, does nothing', () => {
    const stock = registered();
    unregisterWasmTrainingKernels();
    expect(registered()).toEqual(stock);
    registerWasmTrainingKernels();
    unregisterWasmTrainingKernels();
    unregisterWasmTrainingKernels();
    expect(registered()).toEqual(stock);
  });

  test('the kernel registry has nothing to warn of', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    registerWasmTrainingKernels();
    unregisterWasmTrainingKernels();
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
  });

  test('the kernels survive a backend that is removed and made again', async () => {
    registerWasmTrainingKernels();
    const wasmFactory = tf.findBackendFactory('wasm');
    await tf.setBackend('cpu');
    tf.removeBackend('wasm');
    tf.registerBackend('wasm', wasmFactory, 2);
    await tf.setBackend('wasm');
    // [1 2; 3 4]' [1; 1] = [1 + 3; 2 + 4].
    const product = tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.ones([2, 1]), true);
    expect([...(await product.data())]).toEqual([4, 6]);
    product.dispose();
  });

  test('another backend is refused in words', async () => {
    await tf.setBackend('cpu');
    expect(registerWasmTrainingKernels).toThrow(ValueError);
    expect(registerWasmTrainingKernels).toThrow(
      'registerWasmTrainingKernels: the active backend must be "wasm", but it is "cpu". ' +
        "Import '@tensorflow/tfjs-backend-wasm' and call await tf.setBackend('wasm') first.",
    );
  });
});
