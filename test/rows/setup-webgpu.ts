// webgpu in Node: Dawn on the driver that VK_ICD_FILENAMES names. TensorFlow.js is told to leave nothing to the processor.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {failAtRefusals} from '../support/refusals.js';
import {readAtOnce, watchDevice} from '../support/sync-read.js';

if (!tf.findBackendFactory('webgpu')) {
  watchDevice();
  const {create, globals} = await import('webgpu');
  Object.assign(globalThis, globals);
  const navigator = {gpu: create([])};
  Object.defineProperty(globalThis, 'navigator', {value: navigator, configurable: true, writable: true});
  await import('@tensorflow/tfjs-backend-webgpu');
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  // The tiled product (MatMulPackedProgram) for all. That for small results has a workgroup for each entry, whose invocations meet at
  // barriers: SwiftShader takes 30 ms and 4 MB for [6, 5] x [5, 5], where the tiled one takes half a millisecond.
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', 3);
  await tf.setBackend('webgpu');
  failAtRefusals();
  readAtOnce();
}
