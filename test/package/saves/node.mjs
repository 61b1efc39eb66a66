// Saves or loads the models on one backend of Node: node node.mjs save|load <backend> fileSystem|file:// <folder> ...
// The last line is JSON: for `save` the predictions before and after the weights were moved, for `load` those of each folder, or what went wrong.
// SPDX-License-Identifier: Apache-2.0
import {mkdir} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import * as tfl from '@tensorflow/tfjs-layers';
import {fileSystem, useBackend} from 'tfjs-moe/node';
import {build, CASES, leaveNothingToProcessor, predict} from './models.mjs';

const [action, backend, handler, ...folders] = process.argv.slice(2);
const name = backend.split(' ')[0];
await useBackend(name, {trainingKernels: backend === 'wasm with our kernels'});
leaveNothingToProcessor(name);

/** What `model.save` takes; `loadLayersModel` wants the file by its name. */
const place = path => (handler === 'fileSystem' ? fileSystem(path) : `file://${resolve(path)}`);

async function save(folder) {
  await mkdir(folder, {recursive: true}); // the handler of file:// makes the last folder of a path only
  const result = {};
  for (const name of CASES) {
    const {model, before} = await build(name);
    await model.save(place(join(folder, name)));
    result[name] = {before, after: await predict(name, model)};
    model.dispose();
  }
  return result;
}

async function load(folder) {
  const result = {};
  for (const name of CASES) {
    try {
      const model = await tfl.loadLayersModel(place(join(folder, name, 'model.json')));
      result[name] = await predict(name, model);
      model.dispose();
    } catch (error) {
      result[name] = error.stack;
    }
  }
  return result;
}

const results = {};
for (const folder of folders) results[folder] = await (action === 'save' ? save : load)(folder);
process.stdout.write(`${JSON.stringify(results)}\n`);
