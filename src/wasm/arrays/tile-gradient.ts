// The gradient of tile, and so of layerNormalization, as sums. That of tfjs cuts out every repetition by itself and adds them one by one.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** Under this key our gradient holds the stock one; the registry is the only state, so that two copies of this file agree. */
const STOCK = Symbol.for('tfjs-moe.stock-gradient');

/** A registered gradient of ours. */
interface OwnGradient extends tf.GradConfig {
  [STOCK]?: tf.GradConfig;
}

/** Puts our gradient in the place of tfjs's; on other backends than wasm that one is called. Does nothing where ours stands. */
export function replaceTileGradient(): void {
  const stock: OwnGradient | undefined = tf.getGradient('Tile');
  if (!stock || STOCK in stock) return;
  const own: OwnGradient = {
    ...stock,
    [STOCK]: stock,
    gradFunc: (dy, saved, attrs) => {
      if (tf.getBackend() !== 'wasm') return stock.gradFunc(dy, saved, attrs);
      const {shape} = saved[0]!;
      return {x: () => sumRepetitions(dy as tf.Tensor, shape, (attrs as unknown as {reps: number[]}).reps)};
    },
  };
  put(own);
}

/** Brings the gradient of tfjs back; does nothing where ours does not stand. */
export function restoreTileGradient(): void {
  const own: OwnGradient | undefined = tf.getGradient('Tile');
  if (own?.[STOCK]) put(own[STOCK]);
}

function put(gradient: tf.GradConfig): void {
  tf.unregisterGradient('Tile');
  tf.registerGradient(gradient);
}

/** The sum of all repetitions of a tensor of this shape, axis by axis: [outer, reps, rest] summed over the repetitions. */
function sumRepetitions(dy: tf.Tensor, shape: number[], reps: number[]): tf.Tensor {
  let sum = dy;
  let numOuter = 1;
  shape.forEach((length, axis) => {
    if (reps[axis] !== 1) {
      const rest = tf.util.sizeFromShape([
        length,
        ...shape.slice(axis + 1).map((inner, i) => inner * reps[axis + 1 + i]!),
      ]);
      sum = tf.sum(tf.reshape(sum, [numOuter, reps[axis]!, rest]), 1);
    }
    numOuter *= length;
  });
  return tf.reshape(sum, shape);
}
