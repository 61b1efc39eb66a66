// The gradient of the choice through a cell: what each estimator claims, by enumeration of the operations on an edge.
import * as tf from '@tensorflow/tfjs-core';
import {ESTIMATORS, type Estimator, type EstimatorName, getEstimator} from 'tfjs-moe/estimators';
import type {ArchitectureLogits, SearchCell, SearchCellArgs, UnsampledOutput} from 'tfjs-moe/layers';
import {describe, expect, test} from 'vitest';
import {layerRandom} from '../../src/layers/layer-random.js';
import {applyOperation} from '../../src/layers/search/edge-operations.js';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {exactGradient, expectedGradient, numbers, unit} from '../support/enumerate.js';
import {expectClose, expectFinite, list} from '../support/expect-close.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';
import {chiSquareBound} from '../support/statistics.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {cellAndArchitecture, images, logitsGradient, oneHotOf, run, spreadLogits} from './search-cases.js';

/** Sums over 96 pixels of products of numbers of magnitude one, relative to gradients of magnitude ten. */
const ROUNDING = 1e-4;

const NAMES = Object.keys(ESTIMATORS) as EstimatorName[];
const UNSAMPLED: UnsampledOutput[] = ['ones', 'zeros', 'computed'];
const OPERATIONS = [0, 1, 2, 3, 4];

/** A cheap version: few samples show the same. */
const named = (name: EstimatorName) => (name === 'gumbelRao' ? {name, numSamples: 3} : name);

/** One edge, five operations. */
function edgeOf(estimator: EstimatorName, args: SearchCellArgs = {}) {
  const made = cellAndArchitecture({numNodes: 2, ...args}, {estimator: named(estimator)});
  return {...made, logits: tf.tensor1d(spreadLogits(made.architecture))};
}

/** What each operation gives in training, by itself: [batch, height, width, channels]. */
const outputsOf = async (cell: SearchCell, x: tf.Tensor) => {
  const {cell: parts} = await cell.searched();
  return OPERATIONS.map(o => applyOperation(parts.operations[0]![o]!, x, true) ?? tf.zerosLike(x));
};

const weights = () => tf.tensor4d(numbers(31, 96), [2, 4, 4, 3]);
const linear = (y: tf.Tensor) => tf.sum(tf.mul(y, weights()));
const quadratic = (y: tf.Tensor) => tf.sum(tf.square(tf.sub(y, weights())));
const dense = (outputs: tf.Tensor[]) => (sample: tf.Tensor) =>
  tf.reshape(tf.matMul(tf.reshape(sample, [1, -1]), tf.stack(outputs.map(output => tf.reshape(output, [-1])))  as tf.Tensor2D), [2, 4, 4, 3]); // biome-ignore format: one product

/** sum_i p_i times the gradient of the logits with operation i held. */
function expectationByHold(architecture: ArchitectureLogits, loss: () => tf.Tensor, logits: tf.Tensor1D): number[] {
  const probs = list(tf.softmax(logits));
  const total = probs.map(() => 0);
  for (const o of OPERATIONS) {
    architecture.hold([o]);
    logitsGradient(architecture, loss).forEach((g, k) => {
      total[k]! += probs[o]! * g;
    });
  }
  architecture.release();
  return total;
}

eachBackendAndKernels('on one edge', () => {
  test("reinmax with 'computed': the expected gradient is that of the expected loss, for a quadratic loss", async () => {
    const {cell, architecture, logits} = edgeOf('reinmax', {unsampled: 'computed'});
    const x = images();
    const outputs = await outputsOf(cell, x);
    const expected = exactGradient(sample => quadratic(dense(outputs)(sample)), logits);
    expectClose(
      expectationByHold(architecture, () => quadratic(run(cell, architecture, x)), logits),
      expected,
      ROUNDING,
    );
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(1);
  });

  test.each(['straightThrough', 'reinmax'] as const)(
    "%s with 'computed': the expected gradient is that of the expected loss, for a linear loss",
    async name => {
      const {cell, architecture, logits} = edgeOf(name, {unsampled: 'computed'});
      const x = images();
      const outputs = await outputsOf(cell, x);
      const expected = exactGradient(sample => linear(dense(outputs)(sample)), logits);
      expectClose(
        expectationByHold(architecture, () => linear(run(cell, architecture, x)), logits),
        expected,
        ROUNDING,
      );
      expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.5);
    },
  );

  test.each(NAMES.filter(name => ['straightThrough', 'gappedStraightThrough', 'reinmax'].includes(name)))(
    "%s: the expected gradient is the estimator's of a dense sum of outputs, with 'computed' and with stand-ins",
    async name => {
      for (const unsampled of UNSAMPLED) {
        const {cell, architecture, logits} = edgeOf(name, {unsampled});
        const x = images();
        const outputs = await outputsOf(cell, x);
        // dL/dchoice_o by hand: <dL/dnode, output_o>, what was not drawn standing for ones or zeros.
        const proxy = (drawn: number) =>
          unsampled === 'computed'
            ? outputs
            : outputs.map((output, o) =>
                o === drawn ? output : unsampled === 'ones' ? tf.onesLike(x) : tf.zerosLike(x),
              );
        const probs = list(tf.softmax(logits));
        const expected = probs.map(() => 0);
        for (const o of OPERATIONS) {
          const dy = tf.grad(quadratic)(outputs[o]!);
          const g = tf.stack(proxy(o).map(output => tf.sum(tf.mul(dy, output)))) as tf.Tensor1D;
          const loss = (sample: tf.Tensor) => tf.sum(tf.mul(sample, g));
          const given = unit(o, 5);
          const gradient = tf.grad(t => loss(getEstimator(name)(t, {given}).sample))(logits);
          list(gradient).forEach((value, k) => {
            expected[k]! += probs[o]! * value;
          });
        }
        expectClose(
          expectationByHold(architecture, () => quadratic(run(cell, architecture, x)), logits),
          expected,
          ROUNDING,
        );
      }
    },
  );

  test.skipIf(!ON_HOST)(
    `with 'ones' the gradient of an operation that was not drawn is sum(dL/dnode), with 'zeros' it is 0${WHY_ON_HOST}`,
    () => {
      // An estimator that hands the gradient of the choice straight to the logits.
      const identity: Estimator = (logits, options) => {
        const op = tf.customGrad(_ => ({value: tf.clone(options!.given!), gradFunc: (dy: tf.Tensor) => tf.clone(dy)}));
        return {sample: op(logits), probs: tf.softmax(logits)};
      };
      for (const unsampled of ['ones', 'zeros'] as const) {
        const {cell, architecture} = cellAndArchitecture({numNodes: 2, unsampled}, {estimator: identity});
        const x = images();
        architecture.hold([1]);
        const dy = weights();
        const proxy = unsampled === 'ones' ? list(tf.sum(dy))[0]! : 0;
        const own = list(tf.sum(tf.mul(dy, x)))[0]!;
        expectClose(
          logitsGradient(architecture, () => linear(run(cell, architecture, x))),
          [proxy, own, proxy, proxy, proxy],
          ROUNDING,
        );
        architecture.hold([0]); // what was drawn gives zeros
        expectClose(
          logitsGradient(architecture, () => linear(run(cell, architecture, x))),
          [0, proxy, proxy, proxy, proxy],
          ROUNDING,
        );
      }
    },
  );
});

describe.each(NAMES)('%s', name => {
  eachBackendAndKernels('of a cell', () => {
    test('gives the gradient that the estimator gives, called with the same draw and the same noise', async () => {
      const isRelaxed = !ESTIMATORS[name].hard;
      for (const unsampled of UNSAMPLED.filter(way => !isRelaxed || way === 'computed')) {
        for (const o of OPERATIONS) {
          const {cell, architecture, logits} = edgeOf(name, {unsampled});
          const x = images();
          const outputs = await outputsOf(cell, x);
          const seen = (k: number) =>
            k === o || unsampled === 'computed' ? outputs[k]! : unsampled === 'ones' ? tf.onesLike(x) : tf.zerosLike(x);
          architecture.hold([o]);
          const random = layerRandom(3, 'choices').atStep(architecture.step);
          const estimate = getEstimator(named(name));
          // Every operation weighed by the sample, as if all were evaluated; of stand-ins the forward value is taken off.
          const loss = (logitsOfEdge: tf.Tensor) => {
            const {sample} = estimate(logitsOfEdge, {random, given: oneHotOf([o])});
            const parts = OPERATIONS.map(k => tf.mul(tf.reshape(tf.slice(sample, [0, k], [1, 1]), []), seen(k)));
            return quadratic(tf.addN(parts));
          };
          const expected = list(tf.grad(loss)(tf.reshape(logits, [1, 5])));
          expectClose(
            logitsGradient(architecture, () => quadratic(run(cell, architecture, x))),
            expected,
            ROUNDING,
          );
          expectClose([expected.reduce((a, b) => a + b)], [0], ROUNDING);
        }
      }
    });

    test.skipIf(LEAVES_LONG)(`the draws of two edges into a node are independent${WHY_LONG}`, () => {
      const {architecture} = cellAndArchitecture({numNodes: 3}, {estimator: named(name), numNodes: 3});
      const n = 600;
      const counts = new Map<string, number>();
      for (let i = 0; i < n; ++i) {
        const draw = list(architecture.apply(tf.zeros([1]), {training: true}) as tf.Tensor);
        const [, second, third] = [0, 1, 2].map(e => {
          const row = draw.slice(5 * e, 5 * e + 5);
          return row.indexOf(Math.max(...row)); // of a relaxed sample, what it is nearest to
        });
        counts.set(`${second},${third}`, (counts.get(`${second},${third}`) ?? 0) + 1);
      }
      // The logits start near 0: each of the 25 pairs has probability 1/25 within 0.4 %.
      const distance = OPERATIONS.flatMap(a =>
        OPERATIONS.map(b => ((counts.get(`${a},${b}`) ?? 0) - n / 25) ** 2 / (n / 25)),
      );
      expect(distance.reduce((a, b) => a + b)).toBeLessThan(chiSquareBound(24));
    });

    test('in a whole cell of four nodes, draws of its own give finite gradients, which sum to 0 on each edge', () => {
      const {cell, architecture} = cellAndArchitecture({unsampled: 'computed'}, {estimator: named(name)});
      spreadLogits(architecture);
      for (let i = 0; i < 2; ++i) {
        const gradient = tf.tensor2d(
          logitsGradient(architecture, () => quadratic(run(cell, architecture, images()))),
          [6, 5],
        );
        expectFinite(gradient);
        expectClose(tf.sum(gradient, 1), new Array(6).fill(0), ROUNDING);
      }
    });
  });
});

test('the oracle of these tests is that of the estimators', async () => {
  await tf.setBackend('cpu');
  const logits = tf.tensor1d([0.3, -1, 0.8]);
  const target = tf.tensor1d([1, -2, 0.5]);
  const loss = (x: tf.Tensor) => tf.sum(tf.square(tf.sub(x, target)));
  expectClose(expectedGradient(getEstimator('reinmax'), loss, logits), exactGradient(loss, logits), 1e-6);
});
