// Convolutions and pooling on wasm against the cpu backend, values and gradients.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {expectSameAsCpu} from '../support/same-as-cpu.js';
import {withAndWithoutBinary} from '../support/with-and-without-binary.js';

const SEED = 20260317;
const OPTIONS = {seed: SEED, numRuns: 60};

type Shape4D = [number, number, number, number];
type Pad = number | 'valid' | 'same' | tf.backend_util.ExplicitPadding;

/** Multiples of 1/8 in [-1, 1): sums of their products are exact, in any order, and a window has equal pixels. */
function tensor(shape: number[], seed: number): tf.Tensor4D {
  let state = seed;
  const values = Float32Array.from({length: tf.util.sizeFromShape(shape)}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // the generator of Numerical Recipes; its high bits are good enough
    return (state >>> 28) / 8 - 1;
  });
  return tf.tensor(values, shape as Shape4D);
}

const upTo = (max: number) => fc.integer({min: 1, max});
const border = fc.tuple(fc.integer({min: 0, max: 3}), fc.integer({min: 0, max: 3}));

/** Sides, filters, strides and pads of every kind, even and odd, larger and smaller than each other. */
const geometries = fc
  .record({
    shape: fc.tuple(fc.integer({min: 0, max: 3}), upTo(9), upTo(9), upTo(10)),
    filter: fc.tuple(upTo(4), upTo(4)),
    strides: fc.tuple(upTo(3), upTo(3)),
    pad: fc.oneof(
      fc.constantFrom<Pad>('valid', 'same'),
      fc.integer({min: 0, max: 3}),
      fc
        .tuple(border, border)
        .map(([rows, columns]) => [[0, 0], rows, columns, [0, 0]] as tf.backend_util.ExplicitPadding),
    ),
    outChannels: upTo(18),
    multiplier: upTo(3),
    seed: fc.integer({min: 1, max: 1e6}),
  })
  .filter(({shape, filter, strides, pad}) => {
    const info = tf.backend_util.computeConv2DInfo(shape, [...filter, 1, 1], strides, 1, pad);
    return info.outHeight > 0 && info.outWidth > 0;
  });

/** The value and the gradients of a function of tensors, for a gradient of its result that is not all ones. */
function valueAndGradients(fn: (...xs: tf.Tensor4D[]) => tf.Tensor, ...xs: tf.Tensor4D[]): tf.Tensor[] {
  const value = fn(...xs);
  const gradients = tf.grads((...args: tf.Tensor[]) => fn(...(args as tf.Tensor4D[])))(xs, tensor(value.shape, 99));
  return [value, ...gradients];
}

withAndWithoutBinary('convolutions and pooling', () => {
  test('a convolution and its gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, ({shape, filter, strides, pad, outChannels, seed}) =>
        expectSameAsCpu(() =>
          valueAndGradients(
            (x, w) => tf.conv2d(x, w, strides, pad),
            tensor(shape, seed),
            tensor([...filter, shape[3], outChannels], seed + 1),
          ),
        ),
      ),
      OPTIONS,
    );
  });

  test('a depthwise convolution and its gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, ({shape, filter, strides, pad, multiplier, seed}) =>
        expectSameAsCpu(() =>
          valueAndGradients(
            (x, w) => tf.depthwiseConv2d(x, w, strides, pad),
            tensor(shape, seed),
            tensor([...filter, shape[3], multiplier], seed + 1),
          ),
        ),
      ),
      OPTIONS,
    );
  });

  test('a convolution in steps larger than its filter and one of many images are those of the cpu backend', async () => {
    // Several parts of the rows of patches, that begin and end within an image, with and without padding, and a vector's rest of channels.
    for (const pad of ['valid', 'same'] as const) {
      for (const [batch, size, channels, outChannels, filter, stride] of [
        [9, 13, 3, 12, 3, 1],
        [40, 5, 8, 9, 2, 3],
        [2, 33, 5, 17, 4, 2],
        [1, 300, 1, 1, 1, 1],
      ] as const) {
        await expectSameAsCpu(() =>
          valueAndGradients(
            (x, w) => tf.conv2d(x, w, stride, pad),
            tensor([batch, size, size, channels], 5),
            tensor([filter, filter, channels, outChannels], 6),
          ),
        );
        await expectSameAsCpu(() =>
          valueAndGradients(
            (x, w) => tf.depthwiseConv2d(x, w, stride, pad),
            tensor([batch, size, size, channels], 7),
            tensor([filter, filter, channels, 2], 8),
          ),
        );
      }
    }
  });

  test('a dilated convolution is that of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, fc.tuple(upTo(3), upTo(3)), ({shape, filter, pad, multiplier, seed}, dilations) => {
        const info = tf.backend_util.computeConv2DInfo(shape, [...filter, 1, 1], 1, dilations, pad);
        fc.pre(info.outHeight > 0 && info.outWidth > 0);
        return expectSameAsCpu(() => {
          const x = tensor(shape, seed);
          const w = tensor([...filter, shape[3], multiplier], seed + 1);
          return [tf.conv2d(x, w, 1, pad, 'NHWC', dilations), tf.depthwiseConv2d(x, w, 1, pad, 'NHWC', dilations)];
        });
      }),
      OPTIONS,
    );
  });

  test('a convolution with its channels first and its gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, ({shape: [batch, ...rest], filter, strides, pad, outChannels, seed}) =>
        expectSameAsCpu(() =>
          valueAndGradients(
            (x, w) => tf.conv2d(x, w, strides, Array.isArray(pad) ? [pad[0], pad[3], pad[1], pad[2]] : pad, 'NCHW'),
            tensor([batch, rest[2], rest[0], rest[1]], seed),
            tensor([...filter, rest[2], outChannels], seed + 1),
          ),
        ),
      ),
      {...OPTIONS, numRuns: 30},
    );
  });

  test('a transposed convolution and its gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, ({shape, filter, strides, pad, outChannels, seed}) =>
        expectSameAsCpu(() => {
          const info = tf.backend_util.computeConv2DInfo(shape, [...filter, shape[3], outChannels], strides, 1, pad);
          return valueAndGradients(
            (x, w) => tf.conv2dTranspose(x, w, shape, strides, pad),
            tensor(info.outShape, seed),
            tensor([...filter, shape[3], outChannels], seed + 1),
          );
        }),
      ),
      OPTIONS,
    );
  });

  test('a separable convolution and its gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, ({shape, filter, strides, pad, multiplier, outChannels, seed}) => {
        fc.pre(typeof pad === 'string'); // as separableConv2d takes it
        return expectSameAsCpu(() =>
          valueAndGradients(
            (x, depthwise, pointwise) => tf.separableConv2d(x, depthwise, pointwise, strides, pad as 'valid' | 'same'),
            tensor(shape, seed),
            tensor([...filter, shape[3], multiplier], seed + 1),
            tensor([1, 1, shape[3] * multiplier, outChannels], seed + 2),
          ),
        );
      }),
      {...OPTIONS, numRuns: 30},
    );
  });

  test('a convolution along one axis and its gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, ({shape: [batch, length, , channels], filter, strides, pad, outChannels, seed}) => {
        const side = pad === 'same' ? 'same' : 'valid';
        fc.pre(side === 'same' || length >= filter[0]);
        return expectSameAsCpu(() =>
          valueAndGradients(
            (x, w) => tf.conv1d(x as unknown as tf.Tensor3D, w as unknown as tf.Tensor3D, strides[0], side),
            tensor([batch, length, channels], seed),
            tensor([filter[0], channels, outChannels], seed + 1),
          ),
        );
      }),
      {...OPTIONS, numRuns: 30},
    );
  });

  test('a fused convolution with bias and activation and its gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(
        geometries,
        fc.constantFrom('linear' as const, 'relu' as const, 'relu6' as const),
        ({shape, filter, strides, pad, outChannels, multiplier, seed}, activation) =>
          expectSameAsCpu(() => {
            const x = tensor(shape, seed);
            const w = tensor([...filter, shape[3], outChannels], seed + 1);
            const apart = tensor([...filter, shape[3], multiplier], seed + 2);
            const bias = (length: number) => tf.tensor1d(tensor([1, 1, 1, length], seed + 3).dataSync());
            const fused = (images: tf.Tensor4D, weights: tf.Tensor4D) =>
              tf.fused.conv2d({
                x: images,
                filter: weights,
                strides,
                pad: pad as 'valid',
                bias: bias(outChannels),
                activation,
              });
            return [
              ...valueAndGradients(fused, x, w),
              tf.fused.depthwiseConv2d({
                ...{x, filter: apart, strides, pad: pad as 'valid', activation},
                bias: bias(shape[3] * multiplier),
              }),
            ];
          }),
      ),
      OPTIONS,
    );
  });

  test('the largest and the average pixel of a window and their gradients are those of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(geometries, ({shape, filter, strides, pad, seed}) => {
        // The cpu backend takes a pooling of single pixels for the identity wherever the shapes agree.
        fc.pre(typeof pad !== 'object' && (filter[0] > 1 || filter[1] > 1));
        return expectSameAsCpu(() => {
          const x = tensor(shape, seed);
          return [
            ...valueAndGradients(y => tf.maxPool(y, filter, strides, pad as 'valid'), x),
            ...valueAndGradients(y => tf.avgPool(y, filter, strides, pad as 'valid'), x),
          ];
        });
      }),
      {...OPTIONS, numRuns: 120},
    );
  });

  test('windows in the padding alone have no largest pixel and no average, and no window is larger than all', async () => {
    await expectSameAsCpu(() => {
      const x = tensor([2, 3, 4, 5], 1);
      const aboveAndBelow: tf.backend_util.ExplicitPadding = [
        [0, 0],
        [1, 2],
        [0, 0],
        [0, 0],
      ];
      const leftAndRight: tf.backend_util.ExplicitPadding = [
        [0, 0],
        [0, 0],
        [2, 0],
        [0, 0],
      ];
      return [tf.maxPool, tf.avgPool].flatMap(pool => [
        pool(x, 2, 1, 3),
        pool(x, [1, 3], 1, 2),
        pool(x, [3, 1], 2, 1),
        pool(x, 2, 1, aboveAndBelow as never),
        pool(x, 2, 1, leftAndRight as never),
      ]);
    });
    for (const pool of [tf.maxPool, tf.avgPool]) {
      expect(() => pool(tf.zeros<tf.Rank.R4>([1, 2, 2, 1]), 4, 1, 'valid')).toThrow('is larger than the images');
    }
  });

  test('NaN and the infinities of a window get the gradient that the cpu backend gives them', async () => {
    await expectSameAsCpu(() => {
      const pixels = [
        Number.NaN,
        1,
        Number.NaN,
        Number.NaN,
        -Infinity,
        -Infinity,
        Infinity,
        Infinity,
        -0,
        0,
        2,
        Number.NaN,
      ];
      const input = tf.tensor4d([...pixels, ...pixels.toReversed()], [1, 2, 2, 6]);
      const dy = tf.tensor4d([1, 2, 3, 4, 5, 6], [1, 1, 1, 6]);
      const attrs = {filterSize: 2, strides: 2, pad: 'valid'};
      return [tf.engine().runKernel('MaxPoolGrad', {dy, input, output: dy}, attrs) as tf.Tensor];
    });
  });

  // The cpu backend computes the size of the result with rounding down in the gradient, and so leaves its last row and column out.
  test('a result that is rounded up has the gradients of one with as much padding', async () => {
    const gradients = (pad: tf.backend_util.ExplicitPadding | number, rounding?: 'ceil') =>
      valueAndGradients(
        (x, w) => tf.conv2d(x, w, 2, pad, 'NHWC', 1, rounding),
        tensor([2, 4, 4, 3], 1),
        tensor([3, 3, 3, 5], 2),
      );
    const padding: tf.backend_util.ExplicitPadding = [
      [0, 0],
      [0, 1],
      [0, 1],
      [0, 0],
    ];
    await expectSameAsCpu(() => [gradients(0, 'ceil')[0]!, gradients(0, 'ceil')[2]!], {
      expected: () => [gradients(padding)[0]!, gradients(padding)[2]!],
    });
  });

  test('the filter of a convolution may have been another filter before', async () => {
    await expectSameAsCpu(() => {
      const w = tensor([1, 1, 6, 4], 1);
      return [
        tf.conv2d(tensor([1, 5, 5, 6], 2), w, 1, 'valid'),
        tf.conv2d(tensor([1, 5, 5, 4], 3), tf.reshape(w, [1, 1, 4, 6]), 1, 'valid'),
        tf.conv2d(tensor([1, 5, 5, 2], 4), tf.reshape(w, [3, 2, 2, 2]), 1, 'same'),
        tf.conv2d(tensor([1, 5, 5, 2], 4), tf.reshape(w, [2, 3, 2, 2]), 1, 'same'),
      ];
    });
  });

  test('a convolution of no images, of none into any or of any into none has gradients of zeros', async () => {
    const cases: [Shape4D, Shape4D][] = [
      [[0, 5, 5, 3], [3, 3, 3, 4]],
      [[2, 5, 5, 3], [3, 3, 3, 0]],
      [[2, 5, 5, 0], [3, 3, 0, 4]],
    ]; // biome-ignore format: one case a line
    for (const [shape, filterShape] of cases) {
      tf.fill([2, 5, 5, 4], 7).dispose(); // memory that the results get again
      await expectSameAsCpu(() =>
        valueAndGradients((x, w) => tf.conv2d(x, w, 1, 'same'), tensor(shape, 1), tensor(filterShape, 2)),
      );
    }
  });

  test('gradients that do not belong to the images are refused', () => {
    const run = (name: string, inputs: Record<string, tf.Tensor>, attrs: object) => () =>
      tf.engine().runKernel(name, inputs, {strides: 1, pad: 'valid', dataFormat: 'NHWC', dilations: 1, ...attrs});
    const x = tf.zeros([2, 5, 5, 3]);
    const filterShape = [3, 3, 3, 4];
    const words = 'must agree in their batch and channels';
    const few = tf.zeros([1, 3, 3, 4]);
    expect(run('Conv2DBackpropFilter', {x, dy: few}, {filterShape})).toThrow(words);
    expect(run('Conv2DBackpropFilter', {x, dy: tf.zeros([2, 3, 3, 5])}, {filterShape})).toThrow(words);
    expect(run('DepthwiseConv2dNativeBackpropFilter', {x, dy: tf.zeros([2, 3, 3, 4])}, {filterShape})).toThrow(words);
    const filter = tf.zeros(filterShape);
    const back = {inputShape: [2, 5, 5, 3]};
    expect(run('DepthwiseConv2dNativeBackpropInput', {dy: tf.zeros([1, 3, 3, 12]), filter}, back)).toThrow(words);
    expect(run('Conv2DBackpropFilter', {x: tf.zeros([2, 5, 5, 2]), dy: tf.zeros([2, 3, 3, 4])}, {filterShape})).toThrow(
      words,
    );
    const whole = tf.zeros([2, 3, 3, 4], 'int32');
    expect(run('Conv2DBackpropFilter', {x, dy: whole}, {filterShape})).toThrow(
      'only float32 is supported, but got int32',
    );
    for (const [name, inputs, shapes] of [
      ['DepthwiseConv2dNativeBackpropFilter', {x, dy: tf.zeros([2, 1, 1, 12])}, {filterShape}],
      ['DepthwiseConv2dNativeBackpropInput', {dy: tf.zeros([2, 1, 1, 12]), filter}, back],
    ] as const) {
      expect(run(name, inputs, {...shapes, dilations: 2})).toThrow('dilations above 1 have no gradient, but got 2');
    }
    const pooled = tf.zeros([1, 3, 3, 3]);
    expect(run('MaxPoolGrad', {dy: pooled, input: x, output: pooled}, {filterSize: 3})).toThrow(words);
    expect(run('AvgPoolGrad', {dy: pooled, input: x}, {filterSize: 3})).toThrow(words);
  });
});
