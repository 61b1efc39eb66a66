// What the gradients of convolutions and pooling do to the memory: nothing but their results, also when threads share the work.
// SPDX-License-Identifier: Apache-2.0
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {afterEach, expect, test, vi} from 'vitest';
import {type OwnKernels, ownKernels} from '../../src/wasm/own-kernels.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const GUARD = 0xa5;
const MARGIN = 64;

/** Channels, results a channel of the depthwise convolution, strides and padding. */
type Case = [channels: number, multiplier: number, stride: number, pad: 'valid' | 'same'];

/** Every kernel of ours on images of a size; channels that fill vectors and ones that do not. */
function runAll([channels, multiplier, stride, pad]: Case): number[][] {
  const run = (name: string, inputs: Record<string, tf.Tensor>, attrs: object) =>
    tf
      .engine()
      .runKernel(name, inputs, {strides: stride, pad, dataFormat: 'NHWC', dilations: 1, ...attrs}) as tf.Tensor;
  return tf.tidy(() => {
    const ramp = (shape: number[]) =>
      tf.tensor(
        Float32Array.from({length: tf.util.sizeFromShape(shape)}, (_, i) => (i % 13) - 6),
        shape,
      );
    const inputShape = [7, 9, 8, channels];
    const filterShape = [3, 2, channels, 2 * channels + 1];
    const apart = [3, 2, channels, multiplier];
    const info = tf.backend_util.computeConv2DInfo(
      inputShape as [number, number, number, number],
      filterShape as [number, number, number, number],
      stride,
      1,
      pad,
    );
    const [, rows, columns] = info.outShape as [number, number, number, number];
    const x = ramp(inputShape);
    const dy = ramp([7, rows, columns, 2 * channels + 1]);
    const dyApart = ramp([7, rows, columns, channels * multiplier]);
    const pooled = ramp([7, rows, columns, channels]);
    return [
      run('Conv2DBackpropFilter', {x, dy}, {filterShape}),
      run('Conv2DBackpropInput', {dy, filter: ramp(filterShape)}, {inputShape}),
      run('DepthwiseConv2dNativeBackpropFilter', {x, dy: dyApart}, {filterShape: apart}),
      run('DepthwiseConv2dNativeBackpropInput', {dy: dyApart, filter: ramp(apart)}, {inputShape}),
      run('MaxPoolGrad', {dy: pooled, input: x, output: pooled}, {filterSize: [3, 2]}),
      run('AvgPoolGrad', {dy: pooled, input: x}, {filterSize: [3, 2]}),
    ].map(result => Array.from(result.dataSync()));
  });
}

const CASES: Case[] = [
  [3, 2, 2, 'same'],
  [8, 1, 1, 'valid'],
  [9, 3, 3, 'same'],
  [1, 1, 1, 'same'],
];

withAndWithoutBinary('memory of the gradients of convolutions', hasBinary => {
  afterEach(() => vi.restoreAllMocks());

  test('many calls leave nothing behind and do not grow the memory', () => {
    const backend = tf.backend() as BackendWasm;
    const {memory} = (backend as unknown as {wasm: {asm: {memory: WebAssembly.Memory}}}).wasm.asm;
    CASES.map(runAll);
    const [buffers, bytes] = [backend.numDataIds(), memory.buffer.byteLength];
    for (let i = 0; i < 50; ++i) CASES.map(runAll);
    expect(backend.numDataIds()).toBe(buffers);
    expect(memory.buffer.byteLength).toBe(bytes);
  });

  if (!hasBinary) return;

  test('three workers, each in memory of its own, give what one gives, no byte twice and none outside', () => {
    const backend = tf.backend() as BackendWasm;
    const {memory} = (backend as unknown as {wasm: {asm: {memory: WebAssembly.Memory}}}).wasm.asm;
    const alone = CASES.map(runAll);
    const own = ownKernels(backend) as OwnKernels & {numWorkers: number};
    const {withScratch} = own;
    vi.spyOn(own, 'withScratch').mockImplementation((bytes, body) =>
      withScratch(bytes + 2 * MARGIN, start => {
        const guards = () => [
          new Uint8Array(memory.buffer, start, MARGIN),
          new Uint8Array(memory.buffer, start + MARGIN + bytes, MARGIN),
        ];
        for (const guard of guards()) guard.fill(GUARD);
        const result = body(start + MARGIN);
        for (const guard of guards()) expect(guard.every(byte => byte === GUARD)).toBe(true);
        return result;
      }),
    );
    const {makeOutput} = backend;
    const outside: (() => void)[] = [];
    const made: tf.TensorInfo[] = [];
    vi.spyOn(backend, 'makeOutput').mockImplementation((shape, dtype, ...rest) => {
      // A guard is made before a result and one after it: where the allocator puts them next to it, they see what runs over its ends.
      const guard = () => {
        const tensor = makeOutput.call(backend, [16], 'int32', undefined, new Int32Array(16).fill(GUARD));
        outside.push(() => {
          expect(backend.typedArrayFromHeap(tensor).every(value => value === GUARD)).toBe(true);
          backend.disposeData(tensor.dataId);
        });
      };
      guard();
      const result = makeOutput.call(backend, shape, dtype, ...rest);
      guard();
      made.push(result);
      return result;
    });
    const {dataIdMap} = backend as unknown as {dataIdMap: {has(dataId: object): boolean}};
    /** The bytes of each tensor made so far that still lives. */
    const bytesMade = () =>
      made
        .filter(({dataId}) => dataIdMap.has(dataId))
        .map(
          ({dataId, shape}) =>
            new Uint8Array(memory.buffer, backend.getMemoryOffset(dataId), 4 * tf.util.sizeFromShape(shape)),
        );
    const numWorkers = own.numWorkers;
    try {
      own.numWorkers = 3;
      vi.spyOn(own, 'split').mockImplementation((name, args, total) => {
        const bounds = [0, Math.floor(total / 3), Math.floor((2 * total) / 3), total];
        // Each worker finds the memory as it was before all of them, so that a byte that two of them write is seen.
        const tensors = bytesMade();
        const before = tensors.map(bytes => bytes.slice());
        const after = tensors.map(bytes => bytes.slice());
        const isWritten = tensors.map(bytes => new Uint8Array(bytes.length));
        for (const worker of [2, 0, 1]) {
          (own.exports[name] as (...all: number[]) => void)(...args, bounds[worker]!, bounds[worker + 1]!, worker);
          for (const [k, bytes] of tensors.entries()) {
            for (const [i, byte] of bytes.entries()) {
              if (byte === before[k]![i]) continue;
              if (isWritten[k]![i]) throw new Error(`${name}: a second worker, ${worker}, wrote byte ${i} of a result`);
              isWritten[k]![i] = 1;
              after[k]![i] = byte;
            }
            bytes.set(before[k]!);
          }
        }
        for (const [k, bytes] of tensors.entries()) bytes.set(after[k]!);
      });
      const shared = CASES.map(runAll);
      expect(shared).toEqual(alone);
      for (const check of outside) check();
    } finally {
      own.numWorkers = numWorkers;
    }
  });
});
