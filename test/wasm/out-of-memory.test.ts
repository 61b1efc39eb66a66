// A wasm backend whose memory is full, or that is asked for more than it can ever have.
// SPDX-License-Identifier: Apache-2.0
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const REFUSED = 'tfjs-moe/wasm: out of memory';

withAndWithoutBinary('out of memory', hasBinary => {
  const backend = () => tf.backend() as BackendWasm;
  /** The bytes where the backend's library keeps its own, which a tensor at the address 0 would take. */
  const lowest = () => [...(backend() as unknown as {wasm: {HEAPU8: Uint8Array}}).wasm.HEAPU8.slice(0, 1024)];

  test('a result of 4 GiB and more is refused, and nothing is left', () => {
    // 70 000 by 70 000 numbers are 19.6 GB, of which the allocator would see 2.4.
    const [a, b] = [tf.ones([70_000, 1]), tf.ones([1, 70_000])];
    const before = backend().numDataIds();
    expect(() => tf.matMul(a, b)).toThrow(REFUSED);
    expect(() => tf.tile(b, [70_000, 1])).toThrow(REFUSED);
    expect(backend().numDataIds()).toBe(before);
  });

  test('where no memory is left every kernel says so, frees what it made, and writes nowhere', () => {
    const x = tf.ones([300, 400]);
    const images = tf.ones([2, 30, 30, 9]) as tf.Tensor4D;
    const variable = tf.variable(x);
    const adam = tf.train.adam(0.1);
    const step = () => adam.applyGradients([{name: variable.name, tensor: x}]);
    const filter = {strides: [1, 1], pad: 'same', dilations: [1, 1], filterShape: [3, 3, 9, 2]};
    const dy = tf.ones([2, 30, 30, 18]);
    const grouped = ['GroupedMatMul', 'GroupedMatMulGradB', 'GroupedFinishGrad'].map(name => () => {
      const attributes = {groupSizes: [100, 0, 200], hasBiases: true, isStacked: false, transposeB: true};
      return tf.engine().runKernel(name, {a: x, dy: x, y: x, b0: x, b1: x, b2: x}, attributes);
    });
    const kernels = [
      () => tf.tensor(new Float32Array(120_000)),
      // Without the binary the library below the stock kernel needs memory of its own, and ends where there is none.
      ...(hasBinary ? [() => tf.matMul(x, x, false, true), ...grouped] : []),
      () => tf.where(tf.cast(x, 'bool'), x, x),
      () => tf.reverse(x, [0, 1]),
      () => tf.split(x, 4, 1),
      () => tf.unstack(x),
      () => tf.avgPool(images, [2, 3], [2, 1], 1),
      () => tf.engine().runKernel('DepthwiseConv2dNativeBackpropFilter', {x: images, dy}, filter as never),
      step,
    ];
    step(); // makes the moments, on cold caches too
    const values = [...variable.dataSync()];

    const full: tf.TensorInfo[] = [];
    const fill = (bytes: number) => {
      for (let size = bytes; size >= 2 ** 16; size /= 2) {
        try {
          for (;;) full.push(backend().makeOutput([size], 'bool'));
        } catch (error) {
          expect((error as Error).message).toContain(REFUSED);
        }
      }
    };
    fill(2 ** 28);
    try {
      // First there is room for nothing, then for some of what a kernel makes.
      for (const holes of [0, 1, 5, 9, 20]) {
        const room = full.splice(full.length - holes, holes);
        for (const {dataId} of room) backend().disposeData(dataId);
        for (const [i, kernel] of kernels.entries()) {
          const before = [backend().numDataIds(), tf.memory().numTensors, lowest()];
          let message = REFUSED;
          try {
            tf.tidy(() => void kernel());
          } catch (error) {
            message = (error as Error).message;
          }
          const after = [backend().numDataIds(), tf.memory().numTensors, lowest()];
          expect([i, message, after]).toEqual([i, expect.stringContaining(REFUSED), before]);
        }
        fill(2 ** 18);
      }
    } finally {
      for (const {dataId} of full) backend().disposeData(dataId);
    }
    expect([...x.dataSync()].every(value => value === 1)).toBe(true);
    expect(variable.dataSync()).toHaveLength(values.length);
    expect(tf.matMul(x, x, false, true).dataSync()[0]).toBe(400);
    adam.dispose();
    variable.dispose();
  });
});
