// A model goes to a folder and comes back whole, or not at all.
// SPDX-License-Identifier: Apache-2.0
import {spawn} from 'node:child_process';
import {mkdtemp, readdir, readFile, rm, truncate, unlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {fileSystem} from '../../src/node/index.js';
import {eachBackend} from '../support/each-backend.js';
import {smallModel} from './small-model.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-file-system-'));
});
afterEach(() => rm(folder, {recursive: true}));

/** Every weight, in the model's order. */
async function weightValues(model: tfl.LayersModel): Promise<number[][]> {
  return Promise.all(model.getWeights().map(async weight => [...(await weight.data())]));
}

/** The weights of smallModel(fill), written down: 2x3 kernel, 3 biases, 3x1 kernel, counted up from fill. */
const expectedWeights = (fill: number) => [
  [0, 1, 2, 3, 4, 5].map(i => i + fill),
  [6, 7, 8].map(i => i + fill),
  [9, 10, 11].map(i => i + fill),
];

eachBackend('fileSystem', () => {
  test('a saved model is loaded with the same weights and the same output', async () => {
    const path = join(folder, 'deep', 'model');
    await smallModel(0.25).save(fileSystem(path));
    const loaded = await tfl.loadLayersModel(fileSystem(path));
    expect(await weightValues(loaded)).toEqual(expectedWeights(0.25));
    // x = (1, 0): hidden = kernel row 0 + bias = (6.5, 8.5, 10.5) for fill .25; output = 6.5*9.25 + 8.5*10.25 + 10.5*11.25.
    const output = loaded.predict(tf.tensor2d([[1, 0]])) as tf.Tensor;
    expect(Array.from(await output.data())).toEqual([6.5 * 9.25 + 8.5 * 10.25 + 10.5 * 11.25]);
  });

  test('a path to model.json loads the same model as its folder', async () => {
    await smallModel(1).save(fileSystem(folder));
    const loaded = await tfl.loadLayersModel(fileSystem(join(folder, 'model.json')));
    expect(await weightValues(loaded)).toEqual(expectedWeights(1));
  });
});

describe('fileSystem', () => {
  test('the folder has the layout of the file:// handler of tfjs-node', async () => {
    const model = smallModel(0);
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    model.setUserDefinedMetadata({note: 'kept'});
    await model.save(fileSystem(folder), {includeOptimizer: true});
    const json = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
    expect(json).toMatchObject({
      format: 'layers-model',
      convertedBy: null,
      userDefinedMetadata: {note: 'kept'},
      trainingConfig: {loss: 'mean_squared_error'},
      modelTopology: {class_name: 'Sequential'},
    });
    expect(json.generatedBy).toMatch(/^TensorFlow\.js tfjs-layers/);
    const [{paths, weights}] = json.weightsManifest;
    expect(paths).toHaveLength(1);
    expect(weights.slice(0, 3).map((spec: {name: string}) => spec.name)).toEqual([
      'first/kernel',
      'first/bias',
      'second/kernel',
    ]);
    expect((await readdir(folder)).sort()).toEqual(['model.json', ...paths].sort());
  });

  test('weights in several files and groups are joined in the order of the manifest', async () => {
    await smallModel(0).save(fileSystem(folder));
    const json = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
    const [{paths, weights}] = json.weightsManifest;
    const bytes = await readFile(join(folder, paths[0]));
    // The first kernel's 24 bytes in two files, cut inside a number; the other 24 bytes in a second group.
    await writeFile(join(folder, 'a.bin'), bytes.subarray(0, 10));
    await writeFile(join(folder, 'b.bin'), bytes.subarray(10, 24));
    await writeFile(join(folder, 'c.bin'), bytes.subarray(24));
    json.weightsManifest = [
      {paths: ['a.bin', 'b.bin'], weights: weights.slice(0, 1)},
      {paths: ['c.bin'], weights: weights.slice(1)},
    ];
    await writeFile(join(folder, 'model.json'), JSON.stringify(json));
    expect(await weightValues(await tfl.loadLayersModel(fileSystem(folder)))).toEqual(expectedWeights(0));
  });

  test('a second save replaces the model and leaves the files of other people alone', async () => {
    await writeFile(join(folder, 'weights.bin'), 'not ours');
    await smallModel(0).save(fileSystem(folder));
    await smallModel(7).save(fileSystem(folder));
    const names = await readdir(folder);
    expect(names.filter(name => name.startsWith('weights-'))).toHaveLength(1);
    expect(await readFile(join(folder, 'weights.bin'), 'utf8')).toBe('not ours');
    expect(await weightValues(await tfl.loadLayersModel(fileSystem(folder)))).toEqual(expectedWeights(7));
  });

  test('a save that was killed after the weights leaves the former model, and the next save clears what it left', async () => {
    await smallModel(0).save(fileSystem(folder));
    await writeFile(join(folder, 'weights-00000000deadbeef.bin'), 'new weights');
    await writeFile(join(folder, 'model.json.part'), '{"modelTopo');
    expect(await weightValues(await tfl.loadLayersModel(fileSystem(folder)))).toEqual(expectedWeights(0));
    await smallModel(3).save(fileSystem(folder));
    expect(await readdir(folder)).toHaveLength(2);
  });

  test('a reader that loads while another process saves over and over always gets one whole model', async () => {
    await smallModel(0).save(fileSystem(folder));
    const writer = spawn(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(new URL('./save-over-and-over.ts', import.meta.url)), folder],
      {stdio: ['ignore', 'pipe', 'inherit']},
    );
    const seen = new Set<number>();
    let loads = 0;
    try {
      // Until three models of the writer's have been seen: the reader then surely ran beside saves.
      while (seen.size < 4) {
        const loaded = await tfl.loadLayersModel(fileSystem(folder));
        const values = await weightValues(loaded);
        const fill = values[0]![0]!;
        expect(values).toEqual(expectedWeights(fill));
        seen.add(fill);
        ++loads;
        loaded.dispose();
      }
    } finally {
      writer.kill('SIGKILL');
      await new Promise(resolve => writer.once('close', resolve));
    }
    expect(loads).toBeGreaterThanOrEqual(4);
    // Killed at whatever moment: what stands is whole.
    const values = await weightValues(await tfl.loadLayersModel(fileSystem(folder)));
    expect(values).toEqual(expectedWeights(values[0]![0]!));
  });

  test('a missing model, missing weights, cut weights and a cut model.json are refused with the path', async () => {
    const nowhere = join(folder, 'nowhere');
    await expect(tfl.loadLayersModel(fileSystem(nowhere))).rejects.toThrow(
      `fileSystem: there is no model at ${join(nowhere, 'model.json')}: the file does not exist.`,
    );
    await smallModel(0).save(fileSystem(folder));
    const weights = join(folder, (await readdir(folder)).find(name => name.endsWith('.bin'))!);
    // 12 floats are 48 bytes.
    await truncate(weights, 47);
    await expect(tfl.loadLayersModel(fileSystem(folder))).rejects.toThrow(
      `${weights} must hold 48 bytes for the weights that model.json names, but got 47.`,
    );
    await unlink(weights);
    await expect(tfl.loadLayersModel(fileSystem(folder))).rejects.toThrow(
      `fileSystem: the weights file ${weights}, which ${join(folder, 'model.json')} names, does not exist.`,
    );
    await truncate(join(folder, 'model.json'), 100);
    await expect(tfl.loadLayersModel(fileSystem(folder))).rejects.toThrow(
      'model.json is not valid JSON; it may be cut short.',
    );
    await writeFile(join(folder, 'model.json'), '{"name": "something else"}');
    await expect(tfl.loadLayersModel(fileSystem(folder))).rejects.toThrow('is not a saved model');
  });

  test('an empty path, a model file of another name and a binary topology are refused', async () => {
    expect(() => fileSystem('')).toThrow('fileSystem: path must be a folder or a path to model.json, but got "".');
    await expect(smallModel(0).save(fileSystem(join(folder, 'other.json')))).rejects.toThrow(
      'a model is saved in a folder of its own as model.json',
    );
    const {save} = fileSystem(folder);
    await expect(save!({modelTopology: new ArrayBuffer(4)})).rejects.toThrow('only a model with a JSON topology');
    expect(await readdir(folder)).toEqual([]);
  });
});
