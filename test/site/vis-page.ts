// A page that trains a mixture and has tfjs-vis draw its router: the program of test/site/vis.test.ts, bundled for the browser.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import * as tfvis from '@tensorflow/tfjs-vis';
import {gumbelMoE, seeded} from 'tfjs-moe';
import {RouterCharts} from 'tfjs-moe/training';

const root = document.documentElement;
try {
  await tf.setBackend('cpu');
  const points = Float32Array.from(seeded(1).uniform(800), u => 2 * u - 1);
  const x = tf.tensor2d(points, [400, 2]);
  const y = tf.tensor2d(Array.from({length: 400}, (_, n) => [Math.sign(points[2 * n]!) * points[2 * n + 1]!]));
  const moe = gumbelMoE({name: 'moe', numExperts: 4, hiddenUnits: [], units: 1, inputShape: [2], seed: 1});
  const model = tfl.sequential({layers: [moe]});
  model.compile({optimizer: tf.train.adam(0.1), loss: 'meanSquaredError'});
  const place = {name: 'Routers', tab: 'Training', styles: {maxHeight: '1000px'}};
  const callbacks = [
    new RouterCharts(tfvis, place, moe, {everyBatches: 4}),
    new RouterCharts(tfvis, document.getElementById('below')!, moe, {metrics: ['deadExperts']}),
  ];
  await model.fit(x, y, {epochs: 3, batchSize: 50, shuffle: false, verbose: 0, callbacks});
  root.dataset.load = JSON.stringify(callbacks[1]!.history.at(-1)!.moe!.load);
  root.dataset.state = 'done';
} catch (error) {
  root.dataset.state = `failed: ${error}`;
}
