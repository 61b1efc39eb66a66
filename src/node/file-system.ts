// Saves and loads layers models in a folder, without tfjs-node, in the layout that its file:// handler uses.
// SPDX-License-Identifier: Apache-2.0
import {createHash} from 'node:crypto';
import {readdir, readFile, rm} from 'node:fs/promises';
import {basename, dirname, extname, join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {show, ValueError} from '../errors.js';
import {writeAtomically} from './write-atomically.js';

const MODEL_FILE = 'model.json';
/** Weights as this file names them, and what a killed save leaves behind; nothing else is ever removed. */
const OWN_FILE = /^weights-[0-9a-f]{16}\.bin(\.part(\.\d+)?)?$|^model\.json\.part(\.\d+)?$/;
/** Bytes of an element in the file. Strings have no fixed size. */
const BYTES: Record<string, number> = {float32: 4, int32: 4, bool: 1, complex64: 8, float16: 2, uint16: 2, uint8: 1};

/**
 * An IOHandler for `model.save` and `tf.loadLayersModel` that reads and writes a folder: `model.json` and its weights, as the
 * `file://` handler of tfjs-node does. Models saved by either can be loaded by the other.
 *
 * Saving replaces a model as a whole: the weights get a name made from their content, `model.json` is replaced in one step, and
 * only then are the former weights removed. A reader, and a process that was killed at any moment, finds one model or the other.
 * Two processes must not save into one folder at the same time.
 *
 * @param path A folder, or the path of the `.json` file in it (when saving: `model.json`). Saving makes missing folders.
 * @returns The handler. Its `load` throws a ValueError that names the path where a file is missing, cut short, or no model; its `save`
 *   where there is nothing to save or the model's topology is not JSON.
 * @example
 * await model.save(fileSystem('runs/model'));
 * const again = await tf.loadLayersModel(fileSystem('runs/model'));
 */
export function fileSystem(path: string): tf.io.IOHandler {
  if (typeof path !== 'string' || path === '') {
    throw new ValueError(`fileSystem: path must be a folder or a path to ${MODEL_FILE}, but got ${show(path)}.`);
  }
  const modelPath = extname(path) === '.json' ? path : join(path, MODEL_FILE);
  return {save: artifacts => save(modelPath, artifacts), load: () => load(modelPath)};
}

async function save(modelPath: string, artifacts: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> {
  if (basename(modelPath) !== MODEL_FILE) {
    // One model a folder: a save removes the weights that its model.json no longer names.
    throw new ValueError(`fileSystem: a model is saved in a folder of its own as ${MODEL_FILE}, but got ${modelPath}.`);
  }
  const {modelTopology, weightSpecs = [], weightData, format, generatedBy, convertedBy = null} = artifacts;
  const {signature, trainingConfig, userDefinedMetadata, modelInitializer, initializerSignature} = artifacts;
  if (modelTopology === undefined || modelTopology instanceof ArrayBuffer) {
    throw new ValueError(`fileSystem: only a model with a JSON topology can be saved at ${modelPath}.`);
  }
  const weights = new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData));
  const weightsName = `weights-${createHash('sha256').update(weights).digest('hex').slice(0, 16)}.bin`;
  const folder = dirname(modelPath);
  const model: tf.io.ModelJSON = {
    modelTopology,
    weightsManifest: [{paths: [weightsName], weights: weightSpecs}],
    format,
    generatedBy,
    convertedBy,
    signature,
    trainingConfig,
    userDefinedMetadata,
    modelInitializer,
    initializerSignature,
  };
  await writeAtomically(join(folder, weightsName), weights);
  await writeAtomically(modelPath, JSON.stringify(model));
  const former = (await readdir(folder)).filter(name => OWN_FILE.test(name) && name !== weightsName);
  await Promise.all(former.map(name => rm(join(folder, name), {force: true})));
  return {modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts)};
}

async function load(modelPath: string): Promise<tf.io.ModelArtifacts> {
  for (let text = await readText(modelPath); ; ) {
    try {
      return await assemble(modelPath, text);
    } catch (error) {
      // A save that came between the two reads has removed the weights that the former model.json names: then there is a new one.
      const now = await readText(modelPath);
      if (now === text) throw error;
      text = now;
    }
  }
}

async function assemble(modelPath: string, text: string): Promise<tf.io.ModelArtifacts> {
  const model = parseModel(modelPath, text);
  return tf.io.getModelArtifactsForJSON(model, async manifest => {
    const specs = manifest.flatMap(group => group.weights);
    const shards = await Promise.all(manifest.map(group => readGroup(modelPath, group)));
    return [specs, shards.flat()];
  });
}

function parseModel(modelPath: string, text: string): tf.io.ModelJSON {
  let model: Partial<tf.io.ModelJSON> | null;
  try {
    model = JSON.parse(text);
  } catch (error) {
    throw new ValueError(`fileSystem: ${modelPath} is not valid JSON; it may be cut short.`, {cause: error});
  }
  const {modelTopology, weightsManifest} = model ?? {};
  const isGroup = (group: tf.io.WeightsManifestConfig[number]) =>
    Array.isArray(group?.paths) && Array.isArray(group.weights);
  if (typeof modelTopology !== 'object' || !Array.isArray(weightsManifest) || !weightsManifest.every(isGroup)) {
    throw new ValueError(`fileSystem: ${modelPath} is not a saved model: it needs modelTopology and weightsManifest.`);
  }
  return model as tf.io.ModelJSON;
}

/** Reads the files of one manifest group, in order, and refuses a group that is not as long as its weights. */
async function readGroup(
  modelPath: string,
  {paths, weights}: tf.io.WeightsManifestConfig[number],
): Promise<ArrayBuffer[]> {
  const files = paths.map(name => join(dirname(modelPath), name));
  const shards = await Promise.all(files.map(file => readBytes(file, modelPath)));
  const expected = weights.map(byteLength).reduce((total, bytes) => total + bytes, 0);
  const received = shards.reduce((total, shard) => total + shard.byteLength, 0);
  // Not a number where a weight has no fixed size; there tfjs itself must find the end.
  if (!Number.isNaN(expected) && expected !== received) {
    throw new ValueError(
      `fileSystem: ${files.join(', ')} must hold ${expected} bytes for the weights that ${basename(modelPath)} names, but got ${received}.`,
    );
  }
  return shards;
}

function byteLength({shape, dtype, quantization}: tf.io.WeightsManifestEntry): number {
  const stored = quantization ? quantization.dtype : dtype;
  return shape.reduce((size, length) => size * length, 1) * (BYTES[stored] ?? Number.NaN);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ValueError(`fileSystem: there is no model at ${path}: the file ${reason(error)}.`, {cause: error});
  }
}

async function readBytes(path: string, modelPath: string): Promise<ArrayBuffer> {
  try {
    const bytes = await readFile(path);
    return new Uint8Array(bytes).buffer; // a copy: small reads share one buffer
  } catch (error) {
    throw new ValueError(`fileSystem: the weights file ${path}, which ${modelPath} names, ${reason(error)}.`, {
      cause: error,
    });
  }
}

function reason(error: unknown): string {
  const {code} = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
}
