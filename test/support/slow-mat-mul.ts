// The oracle of matrix products: loops in float64, over numbers whose products and sums are exact in float32.
import * as tf from '@tensorflow/tfjs-core';

/** Every transposeA with every transposeB. */
export const FLAGS = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
] as const;

/** Multiples of 1/8 within [-1, 1): products and sums of up to 2 ** 17 of them are exact in float32, so that no tolerance is needed. */
export function exactNumbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({length: count}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // the generator of Numerical Recipes; its high bits are good enough
    return (state >>> 28) / 8 - 1;
  });
}

/** A tensor of such numbers. */
export function exactTensor(shape: number[], seed: number): tf.Tensor {
  return tf.tensor(exactNumbers(tf.util.sizeFromShape(shape), seed), shape, 'float32');
}

/** An operand of a product, [...batch, rows, columns] before its transpose. */
export function operand(
  batch: readonly number[],
  rows: number,
  columns: number,
  transpose: boolean,
  seed: number,
): tf.Tensor {
  return exactTensor([...batch, ...(transpose ? [columns, rows] : [rows, columns])], seed);
}

/** op(a) op(b), one matrix each, [M, K] and [K, N] after the transposes that are asked for. */
export function slowProduct(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  [M, K, N]: readonly [number, number, number],
  transposeA = false,
  transposeB = false,
): number[] {
  const result: number[] = [];
  for (let m = 0; m < M; ++m) {
    for (let n = 0; n < N; ++n) {
      let sum = 0;
      for (let k = 0; k < K; ++k) {
        sum += a[transposeA ? k * M + m : m * K + k]! * b[transposeB ? n * K + k : k * N + n]!;
      }
      result.push(sum);
    }
  }
  return result;
}

/** What tf.matMul should give, with batch axes broadcast as NumPy does. */
export async function slowMatMul(
  a: tf.Tensor,
  b: tf.Tensor,
  transposeA: boolean,
  transposeB: boolean,
): Promise<number[]> {
  const [valuesA, valuesB] = [await a.data(), await b.data()];
  const [rowsA, columnsA, rowsB, columnsB] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-2)!, b.shape.at(-1)!];
  const [M, K] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const N = transposeB ? rowsB : columnsB;
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const matrixAt = (x: tf.Tensor, values: Float32Array, location: number[]) => {
    const own = location.slice(batch.length - (x.rank - 2));
    const index = own.reduce((flat, i, axis) => flat * x.shape[axis]! + (x.shape[axis] === 1 ? 0 : i), 0);
    const size = x.shape.at(-2)! * x.shape.at(-1)!;
    return values.subarray(index * size, (index + 1) * size);
  };
  return Array.from({length: tf.util.sizeFromShape(batch)}, (_, i) => {
    const location = tf.util.indexToLoc(i, batch.length, tf.util.computeStrides(batch));
    const left = matrixAt(a, valuesA as Float32Array, location);
    return slowProduct(left, matrixAt(b, valuesB as Float32Array, location), [M, K, N], transposeA, transposeB);
  }).flat();
}
