// webgl and webgpu in Chromium. TensorFlow.js is told to leave nothing to the processor.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-webgl';
import '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import {BACKENDS} from '../support/each-backend.js';
import {failAtRefusals} from '../support/refusals.js';
import {shareShaders} from '../support/shared-shaders.js';
import {readThroughCanvas} from '../support/sync-read-canvas.js';

// This runs before each file, and the page is one for all of them.
if (!('isSetUp' in globalThis)) {
  tf.env().set('WEBGL_CPU_FORWARD', false);
  tf.env().set('WEBGPU_CPU_FORWARD', false);
  tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', 3); // a product takes SwiftShader half a millisecond, not 30: see setup-webgpu.ts
  await tf.setBackend(BACKENDS[0]!);
  if (tf.getBackend() === 'webgpu') {
    failAtRefusals();
    readThroughCanvas();
  } else shareShaders();
  Object.assign(globalThis, {isSetUp: true});
}
