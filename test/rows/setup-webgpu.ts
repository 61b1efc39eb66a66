// webgpu in Node: Dawn on the driver that VK_ICD_FILENAMES names. TensorFlow.js is told to leave nothing to the processor.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {readAtOnce, watchDevice} from '../support/sync-read.js';

if (!tf.findBackendFactory('webgpu')) {
  watchDevice();
  const {create, globals} = await import('webgpu');
  Object.assign(globalThis, globals);
  const navigator = {gpu: create([])};
  Object.defineProperty(globalThis, 'navigator', {value: navigator, configurable: true, writable: true});
  await import('@tensorflow/tfjs-backend-webgpu');
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  await tf.setBackend('webgpu');
  readAtOnce();
}
