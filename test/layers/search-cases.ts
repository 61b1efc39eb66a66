// Cells of a search for tests, and the gradients of what they choose by.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  type ArchitectureLogits,
  type ArchitectureLogitsArgs,
  architectureLogits,
  type SearchCell,
  type SearchCellArgs,
  searchCell,
} from 'tfjs-moe/layers';
import {numbers} from '../support/enumerate.js';
import {list} from '../support/expect-close.js';

/** A few convolutions and normalisations of a small batch in float32. */
export const NETWORK = 1e-5;

/** Pixels of a side, channels and shape of the images. */
export const SIZE = 4;
export const CHANNELS = 3;
export const SHAPE = [SIZE, SIZE, CHANNELS];

/** Images with numbers in (-1, 1). */
export const images = (batch = 2, seed = 5) =>
  tf.tensor4d(numbers(seed, batch * SIZE * SIZE * CHANNELS), [batch, SIZE, SIZE, CHANNELS]);

/** A cell with architecture logits outside it, built in a graph for those images. */
export function cellAndArchitecture(
  args: SearchCellArgs = {},
  logits: ArchitectureLogitsArgs = {},
): {cell: SearchCell; architecture: ArchitectureLogits; model: tfl.LayersModel} {
  const {numNodes, operations} = args;
  const shared = {...(numNodes && {numNodes}), ...(operations && {operations})};
  const architecture = architectureLogits({seed: 3, name: 'choices', ...shared, ...logits});
  const cell = searchCell({seed: 3, name: 'cell', ...args});
  const input = tfl.input({shape: [SIZE, SIZE, CHANNELS]});
  const output = cell.apply([input, architecture.apply(input) as tfl.SymbolicTensor]) as tfl.SymbolicTensor;
  return {cell, architecture, model: tfl.model({inputs: input, outputs: output})};
}

/** The output of a cell for the choices of its architecture. */
export const run = (cell: SearchCell, architecture: ArchitectureLogits, x: tf.Tensor, training = true) =>
  cell.apply([x, architecture.apply(x, {training}) as tf.Tensor], {training}) as tf.Tensor;

/** The variable behind a weight. */
export const variableOf = (weight: tfl.LayerVariable) => (weight as unknown as {val: tf.Variable}).val;

/** d loss / d logits, flat. */
export function logitsGradient(architecture: ArchitectureLogits, loss: () => tf.Tensor): number[] {
  return tf.tidy(() => {
    const {grads} = tf.variableGrads(() => tf.sum(loss()) as tf.Scalar, [variableOf(architecture.logits)]);
    return list(Object.values(grads)[0]!);
  });
}

/** [edges, operations] of zeros and ones. */
export const oneHotOf = (choices: readonly number[], numOperations = 5) =>
  tf.tensor2d(
    choices.flatMap(choice => Array.from({length: numOperations}, (_, o) => (o === choice ? 1 : 0))),
    [choices.length, numOperations],
  );

/** Writes numbers in (-1.5, 1.5) into the logits. */
export function spreadLogits(architecture: ArchitectureLogits, seed = 9): number[] {
  const values = numbers(
    seed,
    architecture.logits.shape.reduce<number>((a, b) => a * b!, 1),
    -1.5,
    1.5,
  );
  tf.tidy(() => {
    architecture.logits.write(tf.tensor2d(values, architecture.logits.shape as [number, number]));
  });
  return values;
}

/** Own operations that change the width: named, and with weights. */
export const dense = (units: number, args: object = {}) =>
  tfl.layers.dense({units, activation: 'tanh', kernelInitializer: tfl.initializers.glorotUniform({seed: 4}), ...args});
