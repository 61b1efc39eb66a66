// A search cell as on a backend that keeps its tensors on a device: what was drawn is known beforehand, or all is weighed.
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import type {ArchitectureLogits, SearchCell, UnsampledOutput} from 'tfjs-moe/layers';
import {beforeEach, expect, test} from 'vitest';
import {hostRead, isOnHost} from '../../src/ops/host-read.js';
import {onDevice, onHost} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';
import {chiSquare, chiSquareBound} from '../support/statistics.js';
import {cellAndArchitecture, images, logitsGradient, NETWORK, run, spreadLogits} from './search-cases.js';

const UNSAMPLED: UnsampledOutput[] = ['ones', 'zeros', 'computed'];
const CHOICES = [3, 1, 2, 4, 0, 3];
const notKnown = (backend: string) =>
  `SearchCell "cell": what the backend "${backend}" drew is not known here. Call \`await architecture.draw()\` before each step, ` +
  `with a one-hot estimator of the registry, or take unsampled: 'computed'.`;

let made: {cell: SearchCell; architecture: ArchitectureLogits; model: tfl.LayersModel};
const remake = (unsampled: UnsampledOutput, logits: object = {}) => {
  made = cellAndArchitecture({unsampled}, logits);
  spreadLogits(made.architecture);
  return made;
};

test('what runs on the device of these tests cannot read back', async () => {
  await tf.setBackend('cpu');
  expect([isOnHost(), onDevice(isOnHost)]).toEqual([true, false]);
  expect(() => onDevice(() => hostRead(tf.scalar(1)))).toThrow('read back');
});

eachBackend('a search cell on a device', backend => {
  beforeEach(() => {
    remake('ones');
  });

  test.each(['ones', 'zeros'] as const)("with '%s' it refuses to train on a draw that it cannot know", unsampled => {
    const {cell, architecture} = remake(unsampled);
    expect(() => onDevice(() => run(cell, architecture, images()))).toThrow(notKnown(backend));
  });

  test.each(UNSAMPLED)(
    "with '%s' a step after draw() is that of the cell drawn, as the host computes it",
    async unsampled => {
      const {cell, architecture} = remake(unsampled);
      const x = images();
      const loss = () => tf.square(run(cell, architecture, x));
      const choices = await architecture.draw();
      const step = architecture.step;
      const output = list(onDevice(() => run(cell, architecture, x)));
      expect([architecture.knownChoices, architecture.step]).toEqual([choices, step]); // the call takes the draw
      await architecture.draw();
      const drawn = await architecture.draw(); // the last one counts
      const gradient = onDevice(() => logitsGradient(architecture, loss));
      expect(architecture.knownChoices).toEqual(drawn);
      architecture.hold(choices);
      expectClose(run(cell, architecture, x), output, NETWORK);
      architecture.hold(drawn);
      expectClose(logitsGradient(architecture, loss), gradient, 10 * NETWORK);
    },
  );

  test.each(UNSAMPLED)("with '%s' a held cell trains and is evaluated as on the host", unsampled => {
    const {cell, architecture} = remake(unsampled);
    const x = images();
    architecture.hold(CHOICES);
    const loss = () => tf.square(run(cell, architecture, x));
    for (const training of [false, true]) {
      const expected = list(run(cell, architecture, x, training));
      expectClose(
        onDevice(() => run(cell, architecture, x, training)),
        expected,
        NETWORK,
      );
    }
    expectClose(onDevice(() => logitsGradient(architecture, loss)), logitsGradient(architecture, loss), 10 * NETWORK); // biome-ignore format: one line
  });

  test.skipIf(LEAVES_LONG)(
    `draws follow the logits, one after the other, with the noise that calls on the host would have${WHY_LONG}`,
    async () => {
      const {architecture} = made;
      const logits = list(architecture.logits.read());
      const n = 800;
      const counts = new Array<number>(30).fill(0);
      const first = await architecture.draw();
      for (let i = 1; i < n; ++i)
        (await architecture.draw()).forEach((choice, edge) => {
          counts[5 * edge + choice]! += 1;
        });
      expect(architecture.step).toBe(n);
      for (let e = 0; e < 6; ++e) {
        const row = logits.slice(5 * e, 5 * e + 5).map(Math.exp);
        const z = row.reduce((a, b) => a + b);
        const expected = row.map(weight => ((n - 1) * weight) / z);
        expect(chiSquare(counts.slice(5 * e, 5 * e + 5), expected)).toBeLessThan(chiSquareBound(4));
      }
      const again = remake('ones').architecture; // of the same seed and name
      const sample = tf.argMax(again.apply(tf.zeros([1]), {training: true}) as tf.Tensor, 1);
      expect(first).toEqual(list(sample));
    },
  );

  test.each(UNSAMPLED)(
    "with '%s' inference weighs all operations by the likeliest, and gives what the host gives",
    unsampled => {
      const {cell, architecture} = remake(unsampled);
      const x = images();
      onHost(() => run(cell, architecture, x)); // moves statistics
      expectClose(onDevice(() => run(cell, architecture, x, false)), list(onHost(() => run(cell, architecture, x, false))), NETWORK); // biome-ignore format: one line
      expect(architecture.knownChoices).toBeUndefined();
    },
  );

  test("with 'computed' a draw on the device trains without reading anything back", () => {
    const {cell, architecture} = remake('computed');
    const x = images();
    const loss = () => tf.square(run(cell, architecture, x));
    const gradient = onDevice(() => logitsGradient(architecture, loss));
    expectFinite(tf.tensor1d(gradient));
    // The same noise on the host, where what was drawn is read: its gradient goes the shorter way.
    const same = remake('computed');
    expectClose(logitsGradient(same.architecture, () => tf.square(run(same.cell, same.architecture, x))), gradient, 10 * NETWORK); // biome-ignore format: one line
  });

  test('relaxed choices are never taken for those that were drawn or held', async () => {
    const {cell, architecture} = remake('computed', {estimator: 'gumbelSoftmax'});
    const x = images();
    architecture.hold(CHOICES);
    const step = architecture.step;
    const onIt = list(onDevice(() => run(cell, architecture, x)));
    expect(architecture.knownChoices).toBeUndefined();
    const same = remake('computed', {estimator: 'gumbelSoftmax'});
    same.architecture.hold(CHOICES);
    expect(same.architecture.step).toBe(step);
    expectClose(run(same.cell, same.architecture, x), onIt, NETWORK);
    const refusing = remake('ones', {estimator: 'gumbelSoftmax'});
    await refusing.architecture.draw();
    expect(() => onDevice(() => run(refusing.cell, refusing.architecture, x))).toThrow(notKnown(backend));
  });

  test('in a model, a cell hears what its logits drew', async () => {
    const {architecture, model} = made;
    await architecture.draw();
    expectFinite(onDevice(() => model.apply(images(), {training: true}) as tf.Tensor));
    expect(() => onDevice(() => model.apply(images(), {training: true}))).toThrow('is not known here'); // one draw, one step
    expectFinite(onDevice(() => model.predict(images()) as tf.Tensor));
  });

  test('NaN among the logits is refused by draw(), after which nothing is kept', async () => {
    const {architecture} = made;
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      architecture.logits.write(tf.fill([6, 5], Number.NaN));
    });
    await expect(architecture.draw()).rejects.toThrow('leaves nothing to choose from');
    expect(tf.memory().numTensors).toBe(before);
  });
});
