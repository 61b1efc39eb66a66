// A process that saves a small model into the folder of its argument until it is killed. Used by file-system.test.ts.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import {fileSystem} from '../../src/node/index.js';
import {smallModel} from './small-model.js';

await tf.setBackend('cpu');
for (let fill = 1; ; ++fill) {
  const model = smallModel(fill);
  await model.save(fileSystem(process.argv[2]!));
  model.dispose();
}
