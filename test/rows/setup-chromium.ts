// webgl and webgpu in Chromium. TensorFlow.js is told to leave nothing to the processor.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-webgl';
import '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';

tf.env().set('WEBGL_CPU_FORWARD', false);
tf.env().set('WEBGPU_CPU_FORWARD', false);
