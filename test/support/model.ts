// Small helpers to build, train and copy models in tests.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {numbers} from './enumerate.js';

/** A functional model from one input. */
export function modelOf(shape: number[], build: (input: tfl.SymbolicTensor) => tfl.SymbolicTensor): tfl.LayersModel {
  const input = tfl.input({shape});
  return tfl.model({inputs: input, outputs: build(input)});
}

/** The output of a layer or model as one symbolic tensor. */
export const applied = (layer: tfl.layers.Layer, input: tfl.SymbolicTensor) => layer.apply(input) as tfl.SymbolicTensor;

/** Saves a model into memory, optimizer included on request, and loads it again. */
export async function reload(model: tfl.LayersModel, includeOptimizer = false): Promise<tfl.LayersModel> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  const handler = tf.io.withSaveHandler(async saved => {
    artifacts = saved;
    return {modelArtifactsInfo: {dateSaved: new Date(), modelTopologyType: 'JSON'}};
  });
  await model.save(handler, {includeOptimizer});
  // Through text, as a file would: what JSON cannot hold shows here.
  const {weightData, ...rest} = artifacts!;
  return tfl.loadLayersModel(tf.io.fromMemory({...JSON.parse(JSON.stringify(rest)), weightData}));
}

/** Data with rows in (-1, 1) and a target that depends on which half of the space a row lies in. */
export function twoHalves(numRows: number, width: number): {x: tf.Tensor2D; y: tf.Tensor2D} {
  const values = numbers(41, numRows * width);
  const x = tf.tensor2d(values, [numRows, width]);
  const targets = Array.from({length: numRows}, (_, row) => {
    const first = values[row * width]!;
    return first > 0 ? values[row * width + 1]! : -values[row * width + 1]!;
  });
  return {x, y: tf.tensor2d(targets, [numRows, 1])};
}
