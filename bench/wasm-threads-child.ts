// One side of the comparison of threads: measures on request, so that the other side can rest meanwhile.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {useBackend} from 'tfjs-moe/node';
import {multilayerPerceptronStep} from './multilayer-perceptron.js';

/** What a child answers: first how many threads it has, then the milliseconds of each piece of work at each request. */
export type Answer = {threads: number} | {milliseconds: Record<Work, number>};

/** The pieces of work. */
export type Work = 'matMul' | 'mlpStep';

const answer = (message: Answer) => process.send!(message);

await useBackend('wasm', {threads: Number(process.argv[2])});
const a = tf.randomUniform([512, 512], -1, 1, 'float32', 1) as tf.Tensor2D;
const b = tf.randomUniform([512, 512], -1, 1, 'float32', 2) as tf.Tensor2D;
const work: Record<Work, () => void> = {
  matMul: () => tf.matMul(a, b).dispose(),
  mlpStep: multilayerPerceptronStep(),
};
const CALLS = 10;
/** What a step runs is compiled by its use: training has thousands of steps. */
const WARM_UP = 60;
for (const run of Object.values(work)) {
  for (let call = 0; call < WARM_UP; ++call) run();
}
process.on('message', () => {
  const milliseconds = {} as Record<Work, number>;
  for (const [name, run] of Object.entries(work) as [Work, () => void][]) {
    run();
    const start = performance.now();
    for (let call = 0; call < CALLS; ++call) run();
    milliseconds[name] = (performance.now() - start) / CALLS;
  }
  answer({milliseconds});
});
answer({threads: Number(process.argv[2])});
