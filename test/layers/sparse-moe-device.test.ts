// The sparse mixture as on a backend that keeps its tensors on a device: the same outputs and gradients, and nothing read back.
import * as tf from '@tensorflow/tfjs-core';
import type {GumbelMoEArgs} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ESTIMATORS} from '../../src/estimators/registry.js';
import {hostRead, isOnHost} from '../../src/ops/host-read.js';
import {ROUTERS} from '../../src/router/registry.js';
import {onDevice, onHost} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {gradients, NETWORK, recorded, run, sparse, step, tokens} from './sparse-cases.js';

const DETERMINISTIC: Partial<GumbelMoEArgs>[] = [
  {},
  {router: 'topK', topK: 2},
  {router: {name: 'topK', normalize: true, scores: 'sigmoid', numGroups: 2, topGroups: 1}, topK: 2},
  {router: {name: 'gshard', secondPolicy: 'threshold'}},
  {router: 'sinkhorn'},
  {router: 'expertChoice', topK: 2},
  {router: 'denseMixer', topK: 2},
  {router: 'topK', topK: 2, sharedHiddenUnits: 3, overflow: 'shared', logits: 'cosine'},
];

test('what runs on the device of these tests cannot read back', async () => {
  await tf.setBackend('cpu');
  expect([isOnHost(), onDevice(isOnHost)]).toEqual([true, false]);
  expect(() => onDevice(() => hostRead(tf.scalar(1)))).toThrow('read back');
});

eachBackend('a sparse mixture on a device', () => {
  test.each(DETERMINISTIC)('with %j gives the outputs and gradients that it gives on the host', args => {
    for (const capacity of [{}, {capacityFactor: 0.75, minCapacity: 1}]) {
      const [moe, same] = [sparse({...args, ...capacity}), sparse({...args, ...capacity})];
      const x = tokens(9);
      const mask = tf.tensor1d([1, 1, 0, 1, 1, 1, 1, 0, 1]);
      for (const training of [false, true]) {
        const call = {mask, training};
        expectClose(
          onDevice(() => run(moe, x, call)),
          list(onHost(() => run(same, x, call))),
          NETWORK,
        );
      }
      const forward = (layer: typeof moe) => () =>
        gradients(layer, x, rows => run(layer, rows, {mask, training: true}));
      const expected = onHost(forward(same));
      onDevice(forward(moe)).forEach((gradient, i) => {
        expectClose(gradient, expected[i]!, 5 * NETWORK);
      });
    }
  });

  const ROUTED = [...Object.keys(ROUTERS), ...Object.keys(ESTIMATORS)].filter(name => name !== 'base'); // which says that it cannot
  test.each(ROUTED)('by %s trains and evaluates without reading anything back or recording a decision', router => {
    const moe = sparse({router: router as 'topK', capacityFactor: 1, capacityOrder: 'random', importanceWeight: 1});
    const {loss, grads} = onDevice(() => step(moe, () => run(moe, tokens(), {training: true})));
    expect(Number.isFinite(loss) && grads.flat().every(Number.isFinite)).toBe(true);
    expectFinite(onDevice(() => run(moe, tokens())));
    expect(onDevice(() => recorded(moe, tokens())).decisions).toEqual([]);
  });

  test('by base is refused in words', () => {
    const moe = sparse({router: 'base'});
    expect(() => onDevice(() => run(moe, tokens(), {training: true}))).toThrow('training needs the logits on the host');
  });
});
