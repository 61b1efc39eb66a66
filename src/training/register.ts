// Puts the optimizer into the list in which tfl.loadLayersModel looks a class up by its name: see layers/register.ts.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {RAdamOptimizer} from './radam.js';

tf.serialization.registerClass(RAdamOptimizer);
