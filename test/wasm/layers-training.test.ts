// Every layer, activation, loss and optimizer of tfjs-layers trains on wasm as on the cpu backend.
// SPDX-License-Identifier: Apache-2.0
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';
import {LAYERS, LOSSES, OPTIMIZERS, type TrainingCase, type TrainingRun, train} from './training-cases.js';

tf.enableProdMode();

/** The losses are means and agree to rounding; of predictions some are near zero, so that theirs is an absolute tolerance too. */
const ROUNDING = 1e-5;
const PREDICTION_ROUNDING = 1e-4;

/** What the cpu backend makes of each case, computed once. */
const onCpu = new Map<TrainingCase, TrainingRun>();

async function trainOnCpu(oneCase: TrainingCase): Promise<TrainingRun> {
  let run = onCpu.get(oneCase);
  if (!run) {
    await tf.setBackend('cpu');
    run = await train(oneCase);
    onCpu.set(oneCase, run);
    await tf.setBackend('wasm');
  }
  return run;
}

function expectRelative(values: number[], expected: number[], tolerance: number): void {
  expect(values.length).toBe(expected.length);
  values.forEach((value, i) => {
    const allowed = tolerance * Math.max(Math.abs(expected[i]!), 0.1);
    expect(Math.abs(value - expected[i]!), `entry ${i}: got ${value}, expected ${expected[i]}`).toBeLessThanOrEqual(
      allowed,
    );
  });
}

withAndWithoutBinary('wasm with our kernels', () => {
  describe.each([
    ['layer', LAYERS],
    ['loss', LOSSES],
    ['optimizer', OPTIMIZERS],
  ])('%s', (_, cases) => {
    test.each(cases.filter(({isRandom}) => !isRandom))(
      '$title: the same losses and predictions as on cpu',
      async oneCase => {
        const expected = await trainOnCpu(oneCase);
        const {losses, predictions} = await train(oneCase);
        expectRelative(losses, expected.losses, ROUNDING);
        expectRelative(predictions, expected.predictions, PREDICTION_ROUNDING);
        // A training that does nothing would agree as well.
        expect(losses.at(-1)).not.toBe(losses[0]);
      },
    );
  });

  test.each(LAYERS.filter(({isRandom}) => isRandom))('$title: what it draws differs, and it trains', async oneCase => {
    const {losses, predictions} = await train(oneCase, 10);
    expect([...losses, ...predictions].every(Number.isFinite)).toBe(true);
    expect(new Set(losses).size).toBe(losses.length);
  });

  test('a second run of an embedding, an lstm and a normalized model takes no more memory than the first', async () => {
    const cases = LAYERS.filter(({title}) => ['embedding', 'lstm', 'batchNormalization'].includes(title));
    expect(cases.length).toBe(3);
    const backend = tf.backend() as BackendWasm;
    for (const oneCase of cases) await train(oneCase);
    const before = backend.numDataIds();
    for (const oneCase of cases) await train(oneCase);
    expect(backend.numDataIds()).toBe(before);
  });
});
