// A bundler leaves out what an app does not use, and must keep what the app needs by name alone: the classes that a saved model holds.
// SPDX-License-Identifier: Apache-2.0
import {readdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {describe, expect, inject, test} from 'vitest';
import {BUNDLERS, type Bundler, bundleApp} from './bundle-app.js';
import {runCommand} from './run-command.js';

/** Bundles a program and runs the bundle in the installation; its last line of output is JSON. */
async function runBundled<T>(bundler: Bundler, name: string, program: string): Promise<T> {
  const folder = inject('modular');
  const file = `${name}-by-${bundler}.mjs`;
  const {code} = await bundleApp(bundler, name, program);
  await writeFile(join(folder, file), code);
  const output = await runCommand(folder, process.execPath, [file]);
  return JSON.parse(output.slice(output.lastIndexOf('\n') + 1));
}

/** Prints which of our classes TensorFlow.js finds by name. Ours are those that are not there before the library is. */
const PRINT_CLASSES = `
import {serialization} from '@tensorflow/tfjs-core';
process.stdout.write('\\n' + JSON.stringify(Object.keys(serialization.SerializationMap.getMap().classNameMap)));`;

/** The classes of ours among those that a program printed, sorted. */
async function ours(bundler: Bundler, printed: string[]): Promise<string[]> {
  const program = `import '@tensorflow/tfjs-layers';${PRINT_CLASSES}`;
  const ofTensorFlow = await runBundled<string[]>(bundler, 'no-library', program);
  return printed.filter(name => !ofTensorFlow.includes(name)).sort();
}

/** The classes of ours that a bundled program can load. */
async function classesIn(bundler: Bundler, name: string, program: string): Promise<string[]> {
  return ours(bundler, await runBundled(bundler, name, `${program}${PRINT_CLASSES}`));
}

/** The classes that the files of a built folder register, each by itself, without the list that the entry point brings. */
async function classesOf(bundler: Bundler, folder: string): Promise<string[]> {
  const path = join(inject('modular'), 'node_modules/tfjs-moe/dist', folder);
  const files = (await readdir(path)).filter(file => file.endsWith('.js') && !/^(index|register)\.js$/.test(file));
  const program = files.map(file => `import ${JSON.stringify(pathToFileURL(join(path, file)))};`).join('\n');
  await writeFile(join(inject('modular'), 'all-files.mjs'), program + PRINT_CLASSES);
  const output = await runCommand(inject('modular'), process.execPath, ['all-files.mjs']);
  return ours(bundler, JSON.parse(output.slice(output.lastIndexOf('\n') + 1)));
}

const TRAIN = `
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {AnnealTemperature, gumbelMoE, linearSchedule, RouterMonitor} from 'tfjs-moe';

await tf.setBackend('cpu');
const moe = gumbelMoE({inputShape: [4], numExperts: 3, hiddenUnits: 8, units: 2, seed: 1, name: 'moe'});
const model = tfl.sequential({layers: [moe]});
model.compile({optimizer: tf.train.adam(0.05, 0.9, 0.999, 1e-7), loss: 'meanSquaredError'});
const x = tf.randomNormal([64, 4], 0, 1, 'float32', 1);
const callbacks = [new AnnealTemperature(moe, linearSchedule({from: 1, to: 0.5, steps: 40})), new RouterMonitor(moe)];
const {history} = await model.fit(x, tf.slice(x, [0, 0], [-1, 2]), {epochs: 20, batchSize: 32, verbose: 0, callbacks});
const prediction = model.predict(x);
let saved;
await model.save(
  tf.io.withSaveHandler(async artifacts => {
    saved = artifacts;
    return {modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts)};
  }),
);
const loaded = await tfl.loadLayersModel(tf.io.fromMemory(saved));
const difference = tf.max(tf.abs(tf.sub(loaded.predict(x), prediction)));
const result = {loss: history.loss, entropy: history.moe_entropy, temperature: moe.temperature, difference: (await difference.data())[0]};
process.stdout.write('\\n' + JSON.stringify(result));`;

/** A model's file with all the layers that a user may name in it, by a program that is not bundled. */
const SAVE = `
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {categoricalLatent, gumbelMoE, softMoE} from 'tfjs-moe';
import {fileSystem} from 'tfjs-moe/node';

await tf.setBackend('cpu');
const layers = [
  gumbelMoE({inputShape: [4], numExperts: 3, hiddenUnits: 8, units: 6, compute: 'sparse', router: 'topK', seed: 1}),
  categoricalLatent({numLatents: 2, numCategories: 3, seed: 1}),
  tfl.layers.reshape({targetShape: [2, 3]}),
  softMoE({numExperts: 2, hiddenUnits: 4, units: 2}),
];
const model = tfl.sequential({layers});
await model.save(fileSystem('of-many-layers'));
process.stdout.write(JSON.stringify([...(await model.predict(tf.ones([2, 4])).data())]));`;

/** Nothing is imported but the entry point, as a page does that shows what was trained elsewhere. */
const LOAD = `
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {readFile} from 'node:fs/promises';
import 'tfjs-moe/layers';

await tf.setBackend('cpu');
const {modelTopology, weightsManifest} = JSON.parse(await readFile('of-many-layers/model.json', 'utf8'));
const bytes = await readFile('of-many-layers/' + weightsManifest[0].paths[0]);
const weightSpecs = weightsManifest.flatMap(group => group.weights);
const loaded = await tfl.loadLayersModel(tf.io.fromMemory({modelTopology, weightSpecs, weightData: new Uint8Array(bytes).buffer}));
process.stdout.write('\\n' + JSON.stringify([...(await loaded.predict(tf.ones([2, 4])).data())]));`;

describe.each(BUNDLERS)('an app bundled by %s', bundler => {
  test('trains, saves and loads the layer that it uses', async () => {
    const {loss, entropy, temperature, difference} = await runBundled<{
      loss: number[];
      entropy: number[];
      temperature: number;
      difference: number;
    }>(bundler, 'train', TRAIN);
    expect(loss.at(-1)!).toBeLessThan(loss[0]! / 2);
    expect(entropy).toHaveLength(20);
    expect(temperature).toBeCloseTo(1 - (0.5 * 39) / 40, 5); // written before the last of 40 steps, which is step 39 from 0
    expect(difference).toBe(0);
  });

  test('loads a saved model with the import of tfjs-moe/layers alone', async () => {
    await writeFile(join(inject('modular'), 'save.mjs'), SAVE);
    const output = await runCommand(inject('modular'), process.execPath, ['save.mjs']);
    const predicted = JSON.parse(output.slice(output.lastIndexOf('[')));
    expect(await runBundled(bundler, 'load', LOAD)).toEqual(predicted);
  });

  test.each(['layers', 'training'])(
    'finds every class of tfjs-moe/%s by name with the import of it alone',
    async entry => {
      const wanted = await classesOf(bundler, entry);
      expect(wanted.length).toBeGreaterThan(0);
      expect(await classesIn(bundler, `only-${entry}`, `import 'tfjs-moe/${entry}';`)).toEqual(wanted);
    },
  );

  test.each([
    ['gumbelMoE', ['DiscreteRouter', 'FeedForwardExpert', 'GumbelMoE', 'SparseRouter']],
    ['discreteRouter', ['DiscreteRouter']],
    ['categoricalLatent', ['CategoricalLatent']],
    ['radam', ['RAdam']],
    ['reinmax', []],
  ])('finds by name, with %s of tfjs-moe, the classes that this needs and no others', async (name, classes) => {
    const program = `import {${name}} from 'tfjs-moe'; globalThis.used = ${name};`;
    expect(await classesIn(bundler, `only-${name}`, program)).toEqual(classes);
  });
});
