// A sparse mixture on webgpu in Node (Dawn), against the cpu backend: run as a process of its own, since Dawn wants its variables at the start.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {gumbelMoE} from 'tfjs-moe/layers';
import {useBackend} from 'tfjs-moe/node';
import {ROUTERS} from 'tfjs-moe/router';
import {create, globals} from 'webgpu';

/** Small networks in float32, added up in another order. */
const TOLERANCE = 1e-4;
const [TOKENS, WIDTH] = [600, 24];

/** Draws nothing on a device that it would not draw on the host; these need the logits on the host in training, or a power of two. */
const LEFT_OUT = ['base', 'hash'];

tf.enableProdMode();
await useBackend('cpu');
Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', {value: {gpu: create([])}, configurable: true, writable: true});
await import('@tensorflow/tfjs-backend-webgpu');
if (!(await tf.setBackend('webgpu'))) throw new Error('webgpu did not start: no adapter.');

/** The output of a training call and the gradients of all weights, on the active backend. */
async function outputAndGradients(router: string): Promise<Float32Array[]> {
  const moe = gumbelMoE({
    numExperts: 6,
    hiddenUnits: 32,
    compute: 'sparse',
    router: router as 'switch',
    capacityFactor: 1.2,
    seed: 1,
    name: 'moe',
  });
  const x = tf.tensor2d(
    Float32Array.from({length: TOKENS * WIDTH}, (_, i) => Math.sin(i * 1.7)),
    [TOKENS, WIDTH],
  );
  moe.apply(x);
  const variables = moe.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);
  let output: tf.Tensor | undefined;
  const {value, grads} = tf.variableGrads(() => {
    const y = moe.apply(x, {training: true}) as tf.Tensor;
    output = tf.keep(tf.clone(y));
    return tf.addN([tf.mean(tf.square(tf.add(y, 1))), ...moe.calculateLosses()]) as tf.Scalar;
  }, variables);
  const tensors = [output!, value, ...variables.map(variable => grads[variable.name] ?? tf.zeros(variable.shape))];
  const values = await Promise.all(tensors.map(tensor => tensor.data() as Promise<Float32Array>));
  moe.dispose();
  tf.dispose(tensors);
  return values;
}

let isRight = true;
const differences: string[] = [];
for (const router of Object.keys(ROUTERS).filter(name => !LEFT_OUT.includes(name))) {
  await tf.setBackend('cpu');
  const expected = await outputAndGradients(router);
  await tf.setBackend('webgpu');
  const actual = await outputAndGradients(router);
  const difference = Math.max(
    ...actual.flatMap((values, i) => Array.from(values, (value, j) => Math.abs(value - expected[i]![j]!))),
  );
  differences.push(`${router} ${difference.toExponential(1)}`);
  if (!(difference < TOLERANCE)) isRight = false;
}
console.log(`webgpu against cpu, largest difference in output, loss and gradients: ${differences.join(', ')}`);
process.exit(isRight ? 0 : 1); // Dawn keeps Node from ending
