// BatchStatistics, BatchNormalize and BatchNormalizeGradient: batch normalisation in two passes over the memory each way.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, show, ValueError} from '../../errors.js';
import {withOutput, withOutputs} from '../kernel-calls.js';
import {type OwnKernels, ownKernels} from '../own-kernels.js';

/** Numbers of a thread's part: fewer are done before another thread is awake. */
const MINIMUM_NUMBERS = 2 ** 15;

/** Rows of src/wasm/assembly/batch-normalize.ts that are added up together: a chunk has a multiple of them. */
const BLOCK_ROWS = 32;

/** Mean and variance of each channel of x, float32 [..., C] with at least one row: [2, C]. */
export const batchStatisticsKernel: tf.KernelFunc = params => {
  const x = params.inputs.x as tf.TensorInfo;
  const {backend, binary, rows, channels} = describe('BatchStatistics', params, x);
  const {chunks, chunkRows} = chunksOf(rows, channels);
  return withOutput(backend, [2, channels], 'float32', statistics =>
    binary.withScratch(chunks * channels * 16, partials => {
      binary.split('batchMoments', [binary.address(x), partials, rows, channels, chunkRows], chunks, 1);
      binary.split(
        'joinMoments',
        [partials, binary.address(statistics), rows, channels, chunkRows],
        channels,
        channels,
      );
    }),
  );
};

/** (x - mean) / sqrt(variance + epsilon) * gamma + beta; gamma and beta, float32 [C], may be missing. */
export const batchNormalizeKernel: tf.KernelFunc = params => {
  const {x, statistics, gamma, beta} = params.inputs as Inputs;
  const {epsilon} = params.attrs as {epsilon: number};
  const {backend, binary, rows, channels} = describe('BatchNormalize', params, x, {statistics, gamma, beta});
  return withOutput(backend, x.shape, 'float32', out =>
    binary.withScratch(3 * channels * 4, factors => {
      const [from, scales, shifts] = [statistics, gamma, beta].map(view(backend));
      const to = new Float32Array(from!.buffer, factors, 3 * channels);
      for (let c = 0; c < channels; ++c) {
        to[c] = from![c]!;
        to[channels + c] = (scales?.[c] ?? 1) / Math.sqrt(from![channels + c]! + epsilon);
        to[2 * channels + c] = shifts?.[c] ?? 0;
      }
      const args = [binary.address(x), binary.address(out), factors, channels];
      binary.split('batchNormalize', args, rows, Math.ceil(MINIMUM_NUMBERS / channels));
    }),
  );
};

/** The gradients with respect to x, gamma and beta, as if there were both. Inputs: dy, x, statistics and, where there is one, gamma. */
export const batchNormalizeGradientKernel: tf.KernelFunc = params => {
  const owner = 'BatchNormalizeGradient';
  const {dy, x, statistics, gamma} = params.inputs as Inputs & {dy: tf.TensorInfo};
  const {epsilon} = params.attrs as {epsilon: number};
  const {backend, binary, rows, channels} = describe(owner, params, x, {statistics, gamma});
  checkShape(owner, 'dy', dy.shape, x.shape, 'of x');
  checkFloats(owner, dy);
  const {chunks, chunkRows} = chunksOf(rows, channels);
  return withOutputs(backend, own => {
    const dx = own(backend.makeOutput(x.shape, 'float32'));
    const dGamma = own(backend.makeOutput([channels], 'float32'));
    const dBeta = own(backend.makeOutput([channels], 'float32'));
    const row = channels * 4;
    // The partial sums of the chunks, then four rows of factors, of which the second and third are first the sums.
    const partialBytes = chunks * channels * 16;
    binary.withScratch(partialBytes + 4 * row, partials => {
      const factors = partials + partialBytes;
      const sumArgs = [...[dy, x, statistics].map(binary.address), partials, rows, channels, chunkRows];
      binary.split('batchGradientSums', sumArgs, chunks, 1);
      binary.split('joinSums', [partials, factors + row, chunks, 2 * channels], 2 * channels, 2 * channels);
      const [from, ofGamma, ofBeta, scales] = [statistics, dGamma, dBeta, gamma].map(view(backend));
      const to = new Float32Array(ofGamma!.buffer, factors, 4 * channels);
      for (let c = 0; c < channels; ++c) {
        const rstd = 1 / Math.sqrt(from![channels + c]! + epsilon);
        const [sum, product] = [to[channels + c]!, to[2 * channels + c]!];
        ofBeta![c] = sum;
        ofGamma![c] = product * rstd;
        to[c] = from![c]!;
        to[channels + c] = sum / rows;
        to[2 * channels + c] = (product * rstd * rstd) / rows;
        to[3 * channels + c] = (scales?.[c] ?? 1) * rstd;
      }
      const args = [...[dy, x, dx].map(binary.address), factors, channels];
      binary.split('batchNormalizeGradient', args, rows, Math.ceil(MINIMUM_NUMBERS / channels));
    });
    return [dx, dGamma, dBeta];
  });
};

/** What a channel is brought to and scaled by, beside the images. */
interface Inputs extends tf.NamedTensorInfoMap {
  x: tf.TensorInfo;
  statistics: tf.TensorInfo;
}

/** What a call works with, after a look at its inputs: the binary reads and writes where their shapes say. */
function describe(
  owner: string,
  params: Parameters<tf.KernelFunc>[0],
  x: tf.TensorInfo,
  {statistics, ...affine}: Record<string, tf.TensorInfo | undefined> = {},
) {
  const backend = params.backend as BackendWasm;
  const channels = x.shape[x.shape.length - 1] ?? 0;
  const size = tf.util.sizeFromShape(x.shape);
  if (channels === 0 || size === 0) {
    throw new ValueError(`${owner}: x must have a row and a channel, but has the shape ${show(x.shape)}.`);
  }
  if (statistics) checkShape(owner, 'statistics', statistics.shape, [2, channels], '[2, C]');
  for (const [field, tensor] of Object.entries(affine)) {
    if (tensor) checkShape(owner, field, tensor.shape, [channels], '[C]');
  }
  checkFloats(owner, x, statistics, ...Object.values(affine));
  const binary = ownKernels(backend) as OwnKernels; // the kernels are registered only where it can run
  return {backend, binary, rows: size / channels, channels};
}

function checkFloats(owner: string, ...tensors: (tf.TensorInfo | undefined)[]): void {
  const other = tensors.find(tensor => tensor && tensor.dtype !== 'float32');
  if (other) throw new ValueError(`${owner}: the inputs must be float32, but one is ${other.dtype}.`);
}

/** Parts of the rows whose sums are made by themselves. They are the same for any number of threads, and so are the sums. */
function chunksOf(rows: number, channels: number): {chunks: number; chunkRows: number} {
  const chunkRows = BLOCK_ROWS * Math.ceil(MINIMUM_NUMBERS / channels / BLOCK_ROWS);
  return {chunks: Math.ceil(rows / chunkRows), chunkRows};
}

/** The numbers of a tensor where they lie. To be called after the last allocation, which may move the heap. */
const view = (backend: BackendWasm) => (tensor: tf.TensorInfo | undefined) =>
  tensor && (backend.typedArrayFromHeap(tensor) as Float32Array);
