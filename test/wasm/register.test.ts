// Registering and unregistering the wasm kernels.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from '../../src/wasm/index.js';

/** Every kernel of the backend, by name. */
const registered = () => new Map(tf.getKernelsForBackend('wasm').map(kernel => [kernel.kernelName, kernel]));

/** A name under which the backend has no kernel and ours is one. */
const SUPPLIED = 'UnsortedSegmentSum';

/** The insides of the backend that the kernels rely on. */
interface Backend {
  wasm: {asm: {memory?: WebAssembly.Memory}; _malloc?: unknown};
  getMemoryOffset(dataId: object): number;
}

describe('registerWasmTrainingKernels', () => {
  beforeEach(async () => {
    await tf.setBackend('wasm');
  });
  afterEach(() => unregisterWasmTrainingKernels());

  test('what is reported is what has changed in the registry, and unregistering brings back the very same kernels', () => {
    const stock = registered();
    const {kernels, notice} = registerWasmTrainingKernels();
    const ours = registered();
    expect(kernels).toEqual([...ours.keys()].filter(name => ours.get(name) !== stock.get(name)).sort());
    expect(kernels).toEqual(expect.arrayContaining(['BatchMatMul', '_FusedMatMul', SUPPLIED]));
    expect(notice).toBeUndefined();
    unregisterWasmTrainingKernels();
    expect(registered()).toEqual(stock);
  });

  test('the allocator refuses what does not fit while the kernels are registered, and is the stock one before and after', () => {
    const {wasm} = tf.backend() as unknown as Backend;
    tf.scalar(0).dispose(); // the first call puts the allocator in its place
    const stock = wasm._malloc;
    for (let round = 0; round < 2; ++round) {
      registerWasmTrainingKernels();
      expect(() => (wasm._malloc as (bytes: number) => number)(2 ** 32)).toThrow('out of memory');
      unregisterWasmTrainingKernels();
      expect(wasm._malloc).toBe(stock);
    }
  });

  test('a second call changes nothing, and one call undoes both', () => {
    const stock = registered();
    const first = registerWasmTrainingKernels();
    const ours = registered();
    expect(registerWasmTrainingKernels()).toEqual(first);
    expect(registered()).toEqual(ours);
    unregisterWasmTrainingKernels();
    expect(registered()).toEqual(stock);
  });

  test('a kernel that the backend lacks today and has one day is left alone', () => {
    const future: tf.KernelConfig = {kernelName: SUPPLIED, backendName: 'wasm', kernelFunc: ({inputs}) => inputs.x!};
    tf.registerKernel(future);
    try {
      expect(registerWasmTrainingKernels().kernels).not.toContain(SUPPLIED);
      expect(tf.getKernel(SUPPLIED, 'wasm')).toBe(future);
      unregisterWasmTrainingKernels();
      expect(tf.getKernel(SUPPLIED, 'wasm')).toBe(future);
    } finally {
      tf.unregisterKernel(SUPPLIED, 'wasm');
    }
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

  describe('on a backend that keeps its tensors otherwise', () => {
    afterEach(() => vi.restoreAllMocks());

    /** Changes of the backend's insides, each undone afterwards, and what is said of it. */
    const changes: [string, (backend: Backend) => () => void][] = [
      [
        'it has no memory at wasm.asm.memory or wasm.wasmMemory',
        ({wasm}) => {
          const {asm} = wasm;
          wasm.asm = {};
          return () => Object.assign(wasm, {asm});
        },
      ],
      [
        'it has no allocator at wasm._malloc and wasm._free',
        ({wasm}) => {
          const {_malloc} = wasm;
          wasm._malloc = undefined;
          return () => Object.assign(wasm, {_malloc});
        },
      ],
      [
        'it has no function getMemoryOffset',
        backend => {
          Object.assign(backend, {getMemoryOffset: undefined}); // hides the method of the class
          return () => Reflect.deleteProperty(backend, 'getMemoryOffset');
        },
      ],
      [
        'a tensor is not where getMemoryOffset says',
        backend => {
          const place = backend.getMemoryOffset.bind(backend);
          const spy = vi.spyOn(backend, 'getMemoryOffset').mockImplementation(dataId => place(dataId) + 4);
          return () => spy.mockRestore();
        },
      ],
    ];
    test.each(changes)('the stock kernels stay in place, and a notice says: %s', (difference, change) => {
      const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
      const stock = registered();
      const undo = change(tf.backend() as unknown as Backend);
      try {
        const {kernels, notice} = registerWasmTrainingKernels();
        expect(kernels).toEqual([]);
        expect(notice).toBe(
          `this version of @tensorflow/tfjs-backend-wasm is not one that the kernels know: ${difference}`,
        );
        expect(registered()).toEqual(stock);
      } finally {
        undo();
      }
      expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining(difference));
    });
  });

  test.each([
    {
      cause: 'this engine has no WebAssembly SIMD',
      prevent: () => vi.spyOn(WebAssembly, 'validate').mockReturnValue(false),
    },
    {
      cause: 'this engine refuses to compile the binary (on purpose)',
      prevent: () =>
        vi.spyOn(WebAssembly, 'Module').mockImplementation(function refuse() {
          throw new RangeError('on purpose');
        }),
    },
  ])('where $cause, fewer kernels are registered, and a notice says so', async ({cause, prevent}) => {
    const {kernels: all} = registerWasmTrainingKernels();
    unregisterWasmTrainingKernels();
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const prevented = prevent();
    const wasmFactory = tf.findBackendFactory('wasm');
    await tf.setBackend('cpu');
    tf.removeBackend('wasm');
    tf.registerBackend('wasm', wasmFactory, 2);
    try {
      await tf.setBackend('wasm');
      const {kernels, notice} = registerWasmTrainingKernels();
      expect(notice).toBe(cause);
      expect(all).toEqual(expect.arrayContaining(kernels));
      expect(kernels).toEqual(expect.arrayContaining(['BatchMatMul', '_FusedMatMul', SUPPLIED]));
      expect(kernels.length).toBeLessThan(all.length);
      expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining(notice!));
    } finally {
      prevented.mockRestore();
      warn.mockRestore();
      await tf.setBackend('cpu');
      tf.removeBackend('wasm');
      tf.registerBackend('wasm', wasmFactory, 2);
    }
  });

  test('a backend that has not started yet is refused in words', async () => {
    const wasmFactory = tf.findBackendFactory('wasm');
    await tf.setBackend('cpu');
    tf.removeBackend('wasm');
    tf.registerBackend('wasm', wasmFactory, 2);
    const starting = tf.setBackend('wasm');
    try {
      expect(registerWasmTrainingKernels).toThrow(ValueError);
      expect(registerWasmTrainingKernels).toThrow(
        'registerWasmTrainingKernels: the backend "wasm" must have started, but it has not. ' +
          "Call await tf.setBackend('wasm') first; it gives false where the backend cannot start.",
      );
    } finally {
      expect(await starting).toBe(true);
    }
    expect(registerWasmTrainingKernels().notice).toBeUndefined();
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
