// The edges of what a search cell takes: huge and masked logits, an empty batch, one operation, operations that change the width.
import * as tf from '@tensorflow/tfjs-core';
import {ESTIMATORS, type EstimatorName} from 'tfjs-moe/estimators';
import {searchCell} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {ON_HOST} from '../support/device.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {applied, modelOf} from '../support/model.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {CHANNELS, cellAndArchitecture, dense, images, logitsGradient, NETWORK, run, SHAPE} from './search-cases.js';

eachBackendAndKernels('a search cell', () => {
  test.each(Object.keys(ESTIMATORS) as EstimatorName[])(
    '%s: logits of +-1e4, and masked ones, give finite outputs and gradients',
    async name => {
      const {cell, architecture} = cellAndArchitecture(
        {unsampled: 'computed'},
        {estimator: name === 'gumbelRao' ? {name, numSamples: 3} : name},
      );
      const masked = Number.NEGATIVE_INFINITY;
      for (const row of [
        [1e4, -1e4, 0, 0, 0],
        [masked, 1e4, -1e4, masked, 0],
        [masked, masked, masked, masked, -1e4],
        [masked, 0, 0.5, 0, masked],
      ]) {
        // biome-ignore format: rows
        architecture.logits.write(tf.tensor2d(new Array(6).fill(row)));
        const allowed = row.map(logit => logit > masked);
        for (let i = 0; i < 4; ++i) {
          const draw = tf
            .split(architecture.apply(tf.zeros([1]), {training: true}) as tf.Tensor, 5, 1)
            .map(column => list(tf.sum(column))[0]!);
          expect(draw.every((count, o) => allowed[o] || count === 0)).toBe(true);
        }
        const gradient = logitsGradient(architecture, () => run(cell, architecture, images()));
        expectFinite(tf.tensor1d(gradient));
        expect(gradient.every((g, i) => allowed[i % 5] || g === 0)).toBe(true);
        expect(await architecture.likeliest()).toEqual(new Array(6).fill(row.indexOf(Math.max(...row))));
        expectFinite(run(cell, architecture, images(), false));
      }
    },
  );

  test('an empty batch gives an empty output, in training too, and moves no statistics', () => {
    for (const unsampled of ['ones', 'computed'] as const) {
      const {cell, architecture} = cellAndArchitecture({unsampled});
      const before = cell.weights.map(weight => list(weight.read()));
      for (const training of [false, true])
        expect(run(cell, architecture, tf.zeros([0, ...SHAPE]), training).shape).toEqual([0, ...SHAPE]);
      expect(cell.weights.map(weight => list(weight.read()))).toEqual(before);
    }
  });

  test('one operation alone is applied on every edge, and its logits get a gradient of 0', () => {
    const {cell, architecture} = cellAndArchitecture({
      operations: ['skip_connect'],
      ...(ON_HOST ? {} : {unsampled: 'computed'}),
    });
    const x = images();
    // Nodes 0 to 3 are x, x, 2 x and 4 x.
    for (const training of [false, true])
      expectClose(run(cell, architecture, x, training), list(tf.mul(4, x)), NETWORK);
    expectClose(
      logitsGradient(architecture, () => tf.square(run(cell, architecture, x))),
      new Array(6).fill(0),
      0,
    );
  });

  test('operations that change the width give what their layers give, on vectors and on images', () => {
    for (const shape of [[CHANNELS], SHAPE, [5, CHANNELS]]) {
      const cell = searchCell({
        numNodes: 2,
        operations: [{name: 'a', layer: dense(7)}, 'none', {name: 'b', layer: [dense(4), dense(7)]}],
      });
      const model = modelOf(shape, x => applied(cell, x));
      expect(model.outputs[0]!.shape).toEqual([null, ...shape.slice(0, -1), 7]);
      const x = tf.ones([2, ...shape]);
      for (const choice of [0, 1, 2]) {
        cell.architecture!.hold([choice]);
        const layers = cell.layersOf(0, choice);
        const expected =
          choice === 1
            ? tf.zeros([2, ...shape.slice(0, -1), 7])
            : layers.reduce((y, layer) => layer.apply(y) as tf.Tensor, x as tf.Tensor);
        for (const training of [false, true])
          expectClose(model.apply(x, {training}) as tf.Tensor, list(expected), NETWORK);
      }
    }
  });
});
