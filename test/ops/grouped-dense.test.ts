// Dense layers on rows in groups: values and all gradients against a slow loop.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {type GroupedActivation, groupedDense} from '../../src/ops/grouped-dense.js';
import {LEAVES_LONG, numCases, WHY_LONG} from '../support/long-tests.js';
import {exactNumbers, slowProduct} from '../support/slow-mat-mul.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

const SEED = 20260105;

interface Case {
  sizes: number[];
  inner: number;
  units: number;
  activation: GroupedActivation;
  hasBiases: boolean;
  seed: number;
}

/** Value and gradients of one group by loops. The numbers are multiples of 1/8, so that all is exact in float32. */
function slowDense(x: number[], dy: number[], w: Float32Array, bias: Float32Array | undefined, of: Case) {
  const {inner, units, activation} = of;
  const rows = x.length / Math.max(1, inner);
  const size = inner === 0 ? dy.length / Math.max(1, units) : rows;
  const sums = slowProduct(x, w, [size, inner, units]).map((sum, i) => sum + (bias?.[i % units] ?? 0));
  const value = sums.map(sum => (activation === 'relu' ? Math.max(0, sum) : sum));
  const kept = dy.map((g, i) => (activation === 'relu' && sums[i]! <= 0 ? 0 : g));
  return {
    value,
    dx: slowProduct(kept, w, [size, units, inner], false, true),
    dw: slowProduct(x, kept, [inner, size, units], true, false),
    db: Array.from({length: units}, (_, n) => kept.reduce((sum, g, i) => (i % units === n ? sum + g : sum), 0)),
  };
}

/** Compares value, shapes and gradients of a case with those of the loop. */
async function expectAsLoop(of: Case): Promise<void> {
  const {sizes, inner, units, activation, hasBiases, seed} = of;
  const rows = sizes.reduce((sum, size) => sum + size, 0);
  const [x, dy] = [exactNumbers(rows * inner, seed), exactNumbers(rows * units, seed + 1)];
  const weights = sizes.map((_, e) => exactNumbers(inner * units, seed + 2 + e));
  const biases = hasBiases ? sizes.map((_, e) => exactNumbers(units, seed + 200 + e)) : [];
  const inputs = [
    tf.tensor(x, [rows, inner], 'float32'),
    ...weights.map(w => tf.tensor(w, [inner, units], 'float32')),
    ...biases.map(bias => tf.tensor(bias, [units], 'float32')),
  ];
  const dense = (...[first, ...rest]: tf.Tensor[]) =>
    groupedDense(
      first as tf.Tensor2D,
      rest.slice(0, sizes.length) as tf.Tensor2D[],
      hasBiases ? (rest.slice(sizes.length) as tf.Tensor1D[]) : undefined,
      sizes,
      activation,
    );
  const value = dense(...inputs);
  const gradients = tf.grads(dense)(inputs, tf.tensor(dy, [rows, units], 'float32'));
  expect(value.shape).toEqual([rows, units]);
  expect(gradients.map(({shape}) => shape)).toEqual(inputs.map(({shape}) => shape));

  let start = 0;
  const expected = sizes.map((size, e) => {
    const [from, to] = [start, start + size];
    start = to;
    const rowsOf = (values: Float32Array, width: number) => [...values.subarray(from * width, to * width)];
    return slowDense(rowsOf(x, inner), rowsOf(dy, units), weights[e]!, biases[e], of);
  });
  const [dx, ...rest] = (await Promise.all(gradients.map(gradient => gradient.data()))).map(values => [...values]);
  // webgl's relu gives -0 where the others give 0.
  expect(Array.from(await value.data(), y => y + 0)).toEqual(expected.flatMap(group => group.value));
  expect(dx).toEqual(expected.flatMap(group => group.dx));
  expect(rest.slice(0, sizes.length)).toEqual(expected.map(group => group.dw));
  expect(rest.slice(sizes.length)).toEqual(hasBiases ? expected.map(group => group.db) : []);
}

eachBackendAndKernels('groupedDense', () => {
  const kinds = (['linear', 'relu'] as const).flatMap(activation =>
    [true, false].map(hasBiases => ({activation, hasBiases})),
  );

  test.skipIf(LEAVES_LONG)(
    `values and gradients of any groups, sides, biases and activations are those of the loop${WHY_LONG}`,
    async () => {
      const size = fc.oneof(fc.constant(0), fc.integer({min: 1, max: 12}), fc.integer({min: 1, max: 40}));
      const side = fc.integer({min: 0, max: 20});
      const cases = fc.record({
        sizes: fc.array(size, {minLength: 1, maxLength: 6}),
        inner: side,
        units: side,
        activation: fc.constantFrom('linear' as const, 'relu' as const),
        hasBiases: fc.boolean(),
        seed: fc.nat(),
      });
      await fc.assert(
        fc.asyncProperty(cases, async of => {
          tf.engine().startScope();
          try {
            await expectAsLoop(of);
          } finally {
            tf.engine().endScope();
          }
        }),
        {seed: SEED, numRuns: numCases(100)},
      );
    },
  );

  describe.each(kinds)('%j', kind => {
    test.each([
      ['one group', [70], 13, 21],
      ['no row at all', [0, 0], 3, 4],
      ['no row and one group', [0], 3, 4],
      ['sides of one', [3, 0, 2], 1, 1],
      ['one column', [9, 0, 5], 7, 1],
      ['groups longer than a block of the binary', [170, 0, 161], 9, 67],
      ['sixty-four groups', Array.from({length: 64}, (_, e) => (e * 7) % 11), 5, 9],
    ])('%s: as the loop', (_, sizes, inner, units) => expectAsLoop({sizes, inner, units, seed: 1, ...kind}));
  });

  test('sums over no inner side are the biases, whatever the memory held', async () => {
    tf.fill([2, 2], 7).dispose();
    const biases = [tf.tensor1d([1, -2]), tf.tensor1d([-3, 4])];
    const kernels = [tf.zeros([0, 2]), tf.zeros([0, 2])] as tf.Tensor2D[];
    const y = groupedDense(tf.zeros([2, 0]), kernels, biases, [1, 1], 'relu');
    expect(Array.from(await y.data(), sum => sum + 0)).toEqual([1, 0, 0, 4]);
  });

  test('a unit whose sum is zero passes no gradient', async () => {
    // relu's derivative at 0 is taken as 0, as tf.relu takes it.
    const kernels = [tf.tensor2d([0, 1], [1, 2])];
    const dx = tf.grad(x => groupedDense(x as tf.Tensor2D, kernels, undefined, [1], 'relu'))(tf.ones([1, 1]));
    const db = tf.grad(bias => groupedDense(tf.ones([1, 1]), kernels, [bias as tf.Tensor1D], [1], 'relu'))(
      tf.zeros([2]),
    );
    expect([...(await dx.data()), ...(await db.data())]).toEqual([1, 0, 1]);
  });

  test('weights that two groups share get the sum of both gradients', async () => {
    const x = tf.tensor2d([1, 2, 3], [3, 1]);
    const [dw, db] = tf.grads((w, bias) =>
      groupedDense(x, [w, w] as tf.Tensor2D[], [bias, bias] as tf.Tensor1D[], [1, 2], 'linear'),
    )([tf.ones([1, 1]), tf.ones([1])]);
    expect([...(await dw!.data()), ...(await db!.data())]).toEqual([1 + 2 + 3, 3]);
  });

  test('sizes in a typed array, changed after the call, give the gradient of the call', async () => {
    const sizes = Int32Array.of(1, 2);
    const [dw0, dw1] = tf.grads((v, w) => {
      const y = groupedDense(tf.ones([3, 1]), [v, w] as tf.Tensor2D[], undefined, sizes, 'relu');
      sizes.fill(0);
      return y;
    })([tf.ones([1, 1]), tf.ones([1, 1])]);
    expect([...(await dw0!.data()), ...(await dw1!.data())]).toEqual([1, 2]);
  });

  test('nothing is left behind in the engine or in the backend, with a tape and without', () => {
    const kernels = [1, 2, 3].map(() => tf.variable(tf.ones([3, 5]))) as unknown as tf.Tensor2D[];
    const biases = [1, 2, 3].map(() => tf.variable(tf.ones([5]))) as unknown as tf.Tensor1D[];
    const x: tf.Tensor2D = tf.ones([7, 3]);
    const counts = () => [tf.memory().numTensors, tf.backend().numDataIds()];
    const run = (activation: GroupedActivation) => {
      const dense = () => groupedDense(x, kernels, biases, [4, 0, 3], activation);
      dense().dispose();
      const {value, grads} = tf.variableGrads(() => tf.sum(dense()) as tf.Scalar);
      tf.dispose([value, grads]);
    };
    run('relu');
    const before = counts();
    for (let i = 0; i < 100; ++i) run(i % 2 === 0 ? 'relu' : 'linear');
    expect(counts()).toEqual(before);
    tf.dispose([...kernels, ...biases] as tf.Tensor[]);
  });

  const ones = (...shape: number[]) => tf.ones(shape);
  test.each([
    [() => [ones(6, 3), [], undefined, []], 'kernels must be a list of one tensor for each of the groups, 1 or more'],
    [() => [ones(6, 3), [ones(3, 4)], undefined, [3, 3]], 'kernels must be a list of one tensor for each'],
    [() => [ones(6), [ones(3, 4)], undefined, [6]], 'x must have shape [rows, in] = [any, any], but got [6].'],
    [() => [ones(6, 3), [ones(4, 3)], undefined, [6]], 'kernels[0] must have shape [in, out] = [3, any]'],
    [() => [ones(6, 3), [ones(3, 4), ones(3, 5)], undefined, [3, 3]], 'kernels[1] must have shape [in, out] = [3, 4]'],
    [() => [ones(6, 3), [ones(3, 4)], [ones(3)], [6]], 'biases[0] must have shape [out] = [4], but got [3].'],
    [() => [ones(6, 3), [ones(3, 4)], [], [6]], 'biases must be a list of one tensor for each'],
    [() => [ones(6, 3), [ones(3, 4)], undefined, [5]], 'groupSizes must sum to the number of rows (=6)'],
    [
      () => [ones(6, 3), [ones(3, 4)], undefined, [6], 'gelu'],
      'activation must be one of "linear", "relu", but got "gelu"',
    ],
  ] as [() => unknown[], string][])('arguments that do not fit are refused, case %#: %s', (args, words) => {
    const call = () => {
      const [x, kernels, biases, sizes, activation = 'linear'] = args();
      groupedDense(x as never, kernels as never, biases as never, sizes as never, activation as never);
    };
    expect(call).toThrow(ValueError);
    expect(call).toThrow(`groupedDense: ${words}`);
  });
});
