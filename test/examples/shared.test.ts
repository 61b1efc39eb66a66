// The parts that programs share: checkpoints, Adam's state, shuffles, charts, tables, options, output folders.
// SPDX-License-Identifier: Apache-2.0
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {runChart} from '../../examples/mnist-moe/chart.js';
import {learningRateAt} from '../../examples/mnist-moe/training.js';
import {adamTensors, restoreAdam} from '../../examples/shared/adam-state.js';
import {renderChart} from '../../examples/shared/charts.js';
import {checkSameSettings, loadCheckpoint, saveCheckpoint} from '../../examples/shared/checkpoint.js';
import {finiteNumber, wholeNumber} from '../../examples/shared/options.js';
import {checkOutput, clearOutput} from '../../examples/shared/output-folder.js';
import {permutation} from '../../examples/shared/permutation.js';
import {sparkline} from '../../examples/shared/progress.js';
import {checkGoesOn, reopenLastLine} from '../../examples/shared/run-length.js';
import {formatTable} from '../../examples/shared/table.js';
import {seeded} from '../../src/estimators/index.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-shared-'));
});
afterEach(() => rm(folder, {recursive: true}));

const STATE = {step: 3, sums: [0.1, 1 / 3]};
async function saveExample(path: string): Promise<void> {
  const tensors = [
    {name: 'b', tensor: tf.tensor2d([0.1, -2, 1e-30, 4], [2, 2])},
    {name: 'a', tensor: tf.tensor1d([7, 2 ** 30], 'int32')},
    {name: 'empty', tensor: tf.zeros([0, 3])},
  ];
  await saveCheckpoint(path, {program: 'example', settings: {seed: 1}, state: STATE, tensors});
}

eachBackendOfPrograms('checkpoint', () => {
  test('what was saved is loaded bit for bit, in the same order', async () => {
    const path = join(folder, 'checkpoint.bin');
    await saveExample(path);
    const {settings, state, decodeTensors} = await loadCheckpoint(path, 'example');
    const tensors = decodeTensors();
    expect(settings).toEqual({seed: 1});
    expect(state).toEqual(STATE);
    expect(tensors.map(({name, tensor}) => [name, tensor.dtype, tensor.shape])).toEqual([
      ['b', 'float32', [2, 2]],
      ['a', 'int32', [2]],
      ['empty', 'float32', [0, 3]],
    ]);
    expect(Array.from(await tensors[0]!.tensor.data())).toEqual(Array.from(Float32Array.of(0.1, -2, 1e-30, 4)));
    expect(Array.from(await tensors[1]!.tensor.data())).toEqual([7, 2 ** 30]);
    expect(await readdir(folder)).toEqual(['checkpoint.bin']);
  });

  test('Adam goes on from a restored state to the last bit', async () => {
    // 1000 steps: long enough for pow(0.999, 1001) and 1000 rounded products to differ, and the targets too far to be reached by then.
    const target = tf.linspace(100, 300, 50);
    const runSteps = (weights: tf.Variable, optimizer: tf.AdamOptimizer, count: number) => {
      for (let i = 0; i < count; ++i) {
        optimizer.minimize(() => tf.sum(tf.square(tf.sub(weights, target))) as tf.Scalar, false, [weights]);
      }
    };
    const through = tf.variable(tf.zeros([50]));
    const adam = tf.train.adam(0.01, 0.9, 0.999, 1e-7);
    runSteps(through, adam, 1000);
    const path = join(folder, 'checkpoint.bin');
    const tensors = [{name: 'weights', tensor: tf.clone(through)}, ...(await adamTensors(adam))];
    await saveCheckpoint(path, {program: 'example', settings: {}, state: {}, tensors});
    runSteps(through, adam, 50);

    const [saved, ...state] = (await loadCheckpoint(path, 'example')).decodeTensors();
    const again = tf.variable(saved!.tensor);
    const restored = tf.train.adam(0.01, 0.9, 0.999, 1e-7);
    await restoreAdam(restored, state);
    runSteps(again, restored, 50);
    expect(Array.from(await again.data())).toEqual(Array.from(await through.data()));
  });
});

describe('checkpoint', () => {
  test('a file with one changed byte anywhere, and one cut at any place, is refused with its path', async () => {
    const path = join(folder, 'checkpoint.bin');
    await tf.setBackend('cpu');
    await saveExample(path);
    const whole = await readFile(path);
    for (let i = 0; i < whole.length; i += 7) {
      const changed = Buffer.from(whole);
      changed[i]! ^= 1;
      await writeFile(path, changed);
      await expect(loadCheckpoint(path, 'example'), `byte ${i} changed`).rejects.toThrow(path);
      await writeFile(path, whole.subarray(0, i));
      await expect(loadCheckpoint(path, 'example'), `cut at ${i}`).rejects.toThrow(
        i < 8 ? 'is not a checkpoint' : 'is damaged or cut short',
      );
    }
  });

  test("a missing file, and another program's checkpoint, are refused", async () => {
    const path = join(folder, 'checkpoint.bin');
    await expect(loadCheckpoint(path, 'example')).rejects.toThrow(`loadCheckpoint: ${path} cannot be read`);
    await saveExample(path);
    await expect(loadCheckpoint(path, 'other')).rejects.toThrow('is of the program example, not of other');
  });

  test('settings that differ are named with both values; absent ones are not compared', () => {
    const saved = {seed: 1, epochs: 3, data: 'x'};
    expect(() => checkSameSettings(saved, {seed: 1, epochs: 3})).not.toThrow();
    expect(() => checkSameSettings(saved, {seed: 2, epochs: 3, data: 'y'})).toThrow(
      'seed was 1, now 2; data was "x", now "y"',
    );
  });
});

describe('permutation', () => {
  test('each number stands in it once, and the same stream gives the same order', () => {
    const order = permutation(1000, seeded(5));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({length: 1000}, (_, i) => i));
    expect(permutation(1000, seeded(5))).toEqual(order);
    expect(permutation(1, seeded(5))).toEqual(Uint32Array.of(0));
    expect(permutation(0, seeded(5))).toHaveLength(0);
  });

  test('all six orders of three are equally likely', () => {
    const counts = new Map<string, number>();
    const DRAWS = 6000;
    for (let i = 0; i < DRAWS; ++i) {
      const key = permutation(3, seeded(11).split(i)).join('');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    // Each count is binomial(6000, 1/6): deviation sqrt(6000 * 5/36) = 28.9; 5 deviations either side.
    for (const count of counts.values()) expect(Math.abs(count - DRAWS / 6)).toBeLessThan(5 * 28.9);
  });
});

describe('results', () => {
  test('a table is padded to its widest cells, the first column to the left', () => {
    expect(
      formatTable(
        ['x', 'long'],
        [
          ['wide', '1'],
          ['w', '22'],
        ],
      ),
    ).toBe(['x     long', '----  ----', 'wide     1', 'w       22'].join('\n'));
  });

  test('a sparkline scales to the highest share, and survives zeros', () => {
    expect(sparkline([0, 0.25, 0.5])).toBe('▁▅█');
    expect(sparkline([0, 0])).toBe('▁▁');
  });

  test('the learning rate falls along half a cosine: whole, half, nothing', () => {
    const settings = {learningRate: 0.002} as Parameters<typeof learningRateAt>[0];
    expect(learningRateAt(settings, 0)).toBe(0.002);
    expect(learningRateAt(settings, 0.5)).toBeCloseTo(0.001, 12);
    expect(learningRateAt(settings, 1)).toBe(0);
  });

  test('the chart of a run is an SVG with both axes named in their units and an entry for each expert', async () => {
    const history = [1, 2, 3].map(epoch => ({
      epoch,
      step: 10 * epoch,
      loss: 1 / epoch,
      accuracy: 0.9,
      balanceLoss: 0.01,
      load: [0.2, 0.8],
      entropy: 0.5,
      learningRate: 0.001,
      seconds: epoch,
    }));
    const svg = await renderChart(runChart(history, 'A title'));
    expect(svg).toMatch(/^<svg[^>]*>/);
    for (const text of ['A title', 'Epoch', 'Training loss (nats per digit)', 'Load of the expert (% of the digits)']) {
      expect(svg).toContain(`>${text}</text>`);
    }
    expect(svg.match(/aria-roledescription="line mark container"/g)).toHaveLength(3); // the loss and two experts
    expect(svg).not.toContain('NaN');
  });
});

describe('options', () => {
  test('numbers are read whole, and what is none is refused', () => {
    expect(wholeNumber(1)('12')).toBe(12);
    expect(finiteNumber({above: 0})('2e-3')).toBe(0.002);
    expect(finiteNumber({from: 0})('0')).toBe(0);
    for (const text of ['', '0', '-1', '1.5', 'many', 'NaN', 'Infinity']) {
      expect(() => wholeNumber(1)(text)).toThrow('It must be a whole number of at least 1.');
    }
    for (const text of ['', '0', '-1', 'many', 'NaN', 'Infinity']) {
      expect(() => finiteNumber({above: 0})(text)).toThrow('It must be a number above 0, within the range of float32.');
    }
  });
});

describe('a run that is asked to go on', () => {
  const saved = {epochs: 4, minutes: null, seed: 1};
  const goOn = (wanted: object, done: number, schedule?: string) => () =>
    checkGoesOn(saved, {...saved, ...wanted}, {name: 'epochs', done, ...(schedule !== undefined && {schedule})});

  test('may be of another length, but not of one that is over', () => {
    for (const [epochs, done] of [
      [4, 4],
      [8, 4],
      [3, 3],
      [3, 2.5],
    ]) {
      expect(goOn({epochs}, done!)).not.toThrow();
    }
    expect(goOn({epochs: 2}, 3)).toThrow('--epochs: the run has gone through 3 epochs already, but got 2.');
    expect(goOn({epochs: 2}, 2 + 1 / 3)).toThrow('--epochs: the run has gone through 2.33 epochs already, but got 2.');
  });

  test('has the settings that it had', () => {
    expect(goOn({seed: 2}, 1)).toThrow('other settings: seed was 1, now 2.');
    expect(goOn({seed: 2, epochs: 8}, 1)).toThrow('other settings: seed was 1, now 2.');
    // Counted in time it is another run.
    expect(goOn({epochs: null, minutes: 3}, 1)).toThrow('epochs was 4, now null; minutes was null, now 3.');
  });

  test('keeps its length where a schedule hangs on it', () => {
    const schedule = 'its learning rate falls to 0';
    expect(goOn({}, 4, schedule)).not.toThrow();
    for (const epochs of [3, 8]) {
      expect(goOn({epochs}, 1, schedule)).toThrow(
        `--epochs: the run was started for 4, and its learning rate falls to 0 over all of them, so that one of ${epochs} would have`,
      );
    }
  });

  test('takes back the line that its former end cut short, and no other', () => {
    const history = [{step: 10}, {step: 20}, {step: 23}];
    for (let i = 0; i < 2; ++i) {
      reopenLastLine(history, 10);
      expect(history).toEqual([{step: 10}, {step: 20}]);
    }
    expect(() => reopenLastLine([], 10)).not.toThrow();
  });
});

describe('output folder', () => {
  test('a new or empty folder is taken, and a run in it is neither overwritten nor resumed without a word', async () => {
    checkOutput(join(folder, 'new'), {});
    await writeFile(join(folder, 'notes.txt'), 'mine');
    checkOutput(folder, {});
    expect(() => checkOutput(folder, {resume: true})).toThrow('there is no checkpoint.bin');
    await writeFile(join(folder, 'checkpoint.bin'), '');
    expect(() => checkOutput(folder, {})).toThrow(/already holds a partial run.*--resume.*--overwrite/);
    checkOutput(folder, {resume: true});
    await writeFile(join(folder, 'result.json'), '{}');
    expect(() => checkOutput(folder, {})).toThrow(/already holds a finished run.*--overwrite/);
    expect(() => checkOutput(folder, {resume: true})).toThrow(/is finished/);
    checkOutput(folder, {overwrite: true});
    expect(() => checkOutput(join(folder, 'notes.txt'), {})).toThrow('is a file');
  });

  test("a folder that merely has a file of a run's name is no run", async () => {
    await mkdir(join(folder, 'model'));
    await writeFile(join(folder, 'model', 'source.py'), 'mine');
    await writeFile(join(folder, 'chart.svg'), '');
    checkOutput(folder, {});
  });

  test("clearing removes a run's files, whole or half-written, and no others", async () => {
    await mkdir(join(folder, 'model'));
    const ofRun = [
      'model/model.json',
      'model/weights-0123456789abcdef.bin',
      'model/model.json.part.7',
      'checkpoint.bin',
    ];
    for (const name of [
      ...ofRun,
      'checkpoint.bin.part.226',
      'result.json',
      'notes.txt',
      'model/source.py',
      'chart.svg.bak',
    ]) {
      await writeFile(join(folder, name), '');
    }
    await clearOutput(folder);
    expect((await readdir(folder)).sort()).toEqual(['chart.svg.bak', 'model', 'notes.txt']);
    expect(await readdir(join(folder, 'model'))).toEqual(['source.py']);
    await rm(join(folder, 'model', 'source.py'));
    await clearOutput(folder);
    expect((await readdir(folder)).sort()).toEqual(['chart.svg.bak', 'notes.txt']);
  });
});
