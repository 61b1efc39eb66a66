// The three ways of dispatch and combine: each against loops, so that they agree.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {combineFromBuffers, dispatchToBuffers} from '../../src/router/capacity-dispatch.js';
import {combineByOneHot, dispatchByOneHot} from '../../src/router/one-hot-dispatch.js';
import {planRows} from '../../src/router/permutation.js';
import {combineRows, dispatchRows} from '../../src/router/ragged-dispatch.js';
import type {Assignment} from '../../src/router/types.js';
import {hostWays, ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {list} from '../support/expect-close.js';
import {numCases} from '../support/long-tests.js';
import {exactNumbers, exactTensor} from '../support/slow-mat-mul.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';
import {
  anyCase,
  assigned,
  assignmentOf,
  type Case,
  compact,
  slowCombine,
  slowCombineGradient,
  slowDispatch,
} from './dispatch-cases.js';

const RUNS = {seed: 20260401, numRuns: numCases(60)};

/** One way of dispatch and combine. Rows are [A, D], or [E, C, D] as rows. */
interface Way {
  name: string;
  dispatch(tokens: tf.Tensor2D, assignment: Assignment): tf.Tensor;
  combine(outputs: tf.Tensor, weights: tf.Tensor2D, assignment: Assignment, gradientWeights?: tf.Tensor2D): tf.Tensor;
  /** The shape of the rows, and the numbers of [E C, D] that they hold. */
  shape(c: Case): number[];
  rows(c: Case, buffers: ArrayLike<number>): number[];
}

const inBuffers = {
  shape: ({E, C, D}: Case) => [E, C, D],
  rows: (_: Case, buffers: ArrayLike<number>) => Array.from(buffers),
};
const WAYS: Way[] = [
  ...hostWays<Way>('ragged rows', {
    name: 'ragged',
    dispatch: (tokens, assignment) => dispatchRows(tokens, planRows(assignment)),
    combine: (outputs, weights, assignment, gradientWeights) =>
      combineRows(outputs as tf.Tensor2D, weights, planRows(assignment), gradientWeights),
    shape: c => [c.experts.filter(e => e !== -1).length, c.D],
    rows: compact,
  }),
  {name: 'capacity', dispatch: dispatchToBuffers, combine: combineFromBuffers as Way['combine'], ...inBuffers},
  {name: 'one-hot', dispatch: dispatchByOneHot, combine: combineByOneHot as Way['combine'], ...inBuffers},
];

/** Runs a property in a scope of its own, so that its tensors go. */
function forAny(check: (c: Case) => void): void {
  fc.assert(
    fc.property(anyCase, c => {
      tf.engine().startScope();
      try {
        check(c);
      } finally {
        tf.engine().endScope();
      }
    }),
    RUNS,
  );
}

/** The outputs of the experts in one way's layout: exact numbers in every place, those without a choice too. */
function outputsOf(way: Way, c: Case, seed: number): {values: Float32Array; tensor: tf.Tensor} {
  const values = exactNumbers(c.E * c.C * c.D, seed);
  return {values, tensor: tf.tensor(way.rows(c, values), way.shape(c), 'float32')};
}

/** -0 as 0, which toEqual would tell apart. */
const plain = (x: tf.Tensor | number[]) => (Array.isArray(x) ? x : list(x)).map(value => value + 0);

eachBackendAndKernels('dispatch and combine', () => {
  for (const way of WAYS) {
    // All numbers are exact in float32, so that no tolerance is needed.
    test(`${way.name}: the rows and the gradient of the tokens are those of loops`, () => {
      forAny(c => {
        const assignment = assignmentOf(c);
        const tokens = exactTensor([c.T, c.D], 1) as tf.Tensor2D;
        const dy = exactNumbers(c.E * c.C * c.D, 2);
        const rows = way.dispatch(tokens, assignment);
        expect(rows.shape).toEqual(way.shape(c));
        expect(plain(rows)).toEqual(plain(way.rows(c, slowDispatch(c, list(tokens)))));
        const gradient = tf.grad(x => way.dispatch(x as tf.Tensor2D, assignment))(
          tokens,
          tf.tensor(way.rows(c, dy), way.shape(c), 'float32'),
        );
        expect(gradient.shape).toEqual([c.T, c.D]);
        // The sum over a token's places: combine with weights of 1.
        expect(plain(gradient)).toEqual(plain(slowCombine(c, dy, new Array(c.T * c.K).fill(1))));
      });
    });

    test.each([false, true])(
      `${way.name}: the sums and both gradients are those of loops; with expertGradientWeights: %s`,
      hasOwn => {
        forAny(c => {
          const assignment = assignmentOf(c);
          const weights = exactTensor([c.T, c.K], 3) as tf.Tensor2D;
          const gradientWeights = hasOwn ? (exactTensor([c.T, c.K], 4) as tf.Tensor2D) : undefined;
          const outputs = outputsOf(way, c, 5);
          const dy = exactTensor([c.T, c.D], 6);
          const y = way.combine(outputs.tensor, weights, assignment, gradientWeights);
          expect(y.shape).toEqual([c.T, c.D]);
          expect(plain(y)).toEqual(plain(slowCombine(c, outputs.values, list(weights))));

          const [ofOutputs, ofWeights] = tf.grads((o, w) =>
            way.combine(o, w as tf.Tensor2D, assignment, gradientWeights),
          )([outputs.tensor, weights], dy) as [tf.Tensor, tf.Tensor];
          const expected = slowCombineGradient(c, outputs.values, list(gradientWeights ?? weights), list(dy));
          expect([ofOutputs.shape, ofWeights.shape]).toEqual([way.shape(c), [c.T, c.K]]);
          expect(plain(ofOutputs)).toEqual(plain(way.rows(c, expected.ofOutputs)));
          expect(plain(ofWeights)).toEqual(plain(expected.ofWeights));
        });
      },
    );

    test(`${way.name}: expertGradientWeights get no gradient, though they depend on what is differentiated`, () => {
      // y = 1 * 3 with d outputs = w^2 and d w = 3: through the square, d w would be more.
      const assignment = assignmentOf(assigned({T: 1, K: 1, E: 1, C: 1, D: 1}, [0]));
      const outputs = tf.tensor([3], way.name === 'ragged' ? [1, 1] : [1, 1, 1]);
      const [ofOutputs, ofWeights] = tf.grads((o, w) =>
        way.combine(o, w as tf.Tensor2D, assignment, tf.square(w as tf.Tensor2D)),
      )([outputs, tf.tensor2d([[2]])]) as [tf.Tensor, tf.Tensor];
      expect([list(ofOutputs), list(ofWeights)]).toEqual([[4], [3]]);
    });

    test(`${way.name}: dispatch, then combine with weights of 1 and room for all, is the identity for one choice and K times it for K`, () => {
      forAny(({T, K, E, D, experts}) => {
        const full = assigned(
          {T, K, E, C: T, D},
          experts.map((_, choice) => (Math.floor(choice / K) + choice) % E),
        );
        const assignment = assignmentOf(full);
        const tokens = exactTensor([T, D], 1) as tf.Tensor2D;
        const y = way.combine(way.dispatch(tokens, assignment), tf.ones([T, K]), assignment);
        expect(plain(y)).toEqual(plain(list(tokens).map(value => K * value)));
      });
    });

    test(`${way.name}: the gate is applied exactly once, and place 0 is used`, () => {
      // An expert that returns its input gives gate * x; keras-io's Switch example gives gate^2 * x, and nothing in place 0.
      const assignment = assignmentOf(assigned({T: 3, K: 1, E: 2, C: 2, D: 2}, [1, 0, 1]));
      const tokens = tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
      ]);
      const y = way.combine(way.dispatch(tokens, assignment), tf.tensor2d([[0.5], [0.25], [2]]), assignment);
      expect(list(y)).toEqual([0.5, 1, 0.75, 1, 10, 12]);
    });

    test(`${way.name}: a capacity of C keeps exactly C tokens, and dropped ones give zeros and get no gradient`, () => {
      const assignment = assignmentOf(assigned({T: 4, K: 1, E: 2, C: 2, D: 1}, [0, 0, 0, 1]));
      const through = (x: tf.Tensor) =>
        way.combine(way.dispatch(x as tf.Tensor2D, assignment), tf.ones([4, 1]), assignment);
      const tokens = tf.tensor2d([[5], [6], [7], [8]]);
      expect(list(through(tokens))).toEqual([5, 6, 0, 8]);
      expect(list(tf.grad(through)(tokens))).toEqual([1, 1, 0, 1]);
    });

    test(`${way.name}: assignments that are computed from the tokens put nothing on the tape`, () => {
      // Greater has no gradient: were it walked, the gradient would throw.
      const gradient = tf.grad(x => {
        const isRight = tf.cast(tf.greater(x, 0), 'int32') as tf.Tensor2D; // [T, 1], the expert
        const positions = tf.tensor2d([[0], [0], [1]], [3, 1], 'int32');
        const assignment = {numExperts: 2, capacity: 2, experts: isRight, positions};
        return way.combine(way.dispatch(x as tf.Tensor2D, assignment), tf.ones([3, 1]), assignment);
      })(tf.tensor2d([[-1], [2], [3]]));
      expect(list(gradient)).toEqual([1, 1, 1]);
    });

    test(`${way.name}: nothing is left behind by 20 steps`, () => {
      const c = assigned({T: 6, K: 2, E: 3, C: 3, D: 4}, [0, 1, 0, 2, 0, 1, 0, 2, -1, -1, 1, 2]);
      const assignment = assignmentOf(c);
      const tokens = exactTensor([6, 4], 1);
      const weights = exactTensor([6, 2], 2);
      const step = () =>
        tf.tidy(() => {
          tf.grads((x, w) => {
            const rows = way.dispatch(x as tf.Tensor2D, assignment);
            return way.combine(tf.square(rows), w as tf.Tensor2D, assignment, tf.ones([6, 2]));
          })([tokens, weights]);
        });
      step();
      const {numTensors} = tf.memory();
      const numData = tf.backend().numDataIds();
      for (let i = 0; i < 20; ++i) step();
      expect([tf.memory().numTensors, tf.backend().numDataIds()]).toEqual([numTensors, numData]);
      // Without a tape: the result alone, owned by the caller.
      const rows = way.dispatch(tokens as tf.Tensor2D, assignment);
      const y = way.combine(rows, weights as tf.Tensor2D, assignment);
      expect(tf.memory().numTensors).toBe(numTensors + 2);
      tf.dispose([rows, y]);
      expect(tf.backend().numDataIds()).toBe(numData);
    });
  }

  test('what stands in free places of the outputs, be it NaN, changes nothing', () => {
    const assignment = assignmentOf(assigned({T: 2, K: 1, E: 2, C: 2, D: 1}, [1, 1]));
    const outputs = tf.tensor3d([Number.NaN, Number.NaN, 2, 3], [2, 2, 1]);
    const weights = tf.tensor2d([[5], [7]]);
    expect(list(combineFromBuffers(outputs, weights, assignment))).toEqual([10, 21]);
    const [ofOutputs, ofWeights] = tf.grads((o, w) =>
      combineFromBuffers(o as tf.Tensor3D, w as tf.Tensor2D, assignment),
    )([outputs, weights]) as [tf.Tensor, tf.Tensor];
    expect([list(ofOutputs), list(ofWeights)]).toEqual([
      [0, 0, 5, 7],
      [2, 3],
    ]);
  });

  test.skipIf(!ON_HOST)(`shapes that do not match are refused in words${WHY_ON_HOST}`, () => {
    const assignment = assignmentOf(assigned({T: 2, K: 1, E: 2, C: 1, D: 3}, [0, 1]));
    const plan = planRows(assignment);
    const weights = tf.ones<tf.Rank.R2>([2, 1]);
    const wide = tf.ones<tf.Rank.R2>([2, 2]);
    const tokens = tf.ones<tf.Rank.R2>([3, 3]);
    const ofTokens = ': tokens must have shape [tokens, features] = [2, any], but got [3, 3].';
    expect(() => dispatchRows(tokens, plan)).toThrow(`dispatchRows${ofTokens}`);
    expect(() => dispatchToBuffers(tokens, assignment)).toThrow(`dispatchToBuffers${ofTokens}`);
    expect(() => dispatchByOneHot(tokens, assignment)).toThrow(`dispatchByOneHot${ofTokens}`);

    expect(() => combineRows(tokens, weights, plan)).toThrow(
      'combineRows: outputs must have shape [rows, units] = [2, any], but got [3, 3].',
    );
    const buffers = tf.ones<tf.Rank.R3>([2, 1, 3]);
    for (const [name, combine] of Object.entries({combineFromBuffers, combineByOneHot})) {
      expect(() => combine(tf.ones([2, 2, 3]), weights, assignment)).toThrow(
        `${name}: outputs must have shape [experts, places, units] = [2, 1, any], but got [2, 2, 3].`,
      );
      expect(() => combine(buffers, weights, {...assignment, positions: wide})).toThrow(
        `${name}: positions must have shape of experts = [2, 1], but got [2, 2].`,
      );
      expect(() => combine(buffers, wide, assignment)).toThrow(
        `${name}: weights must have shape [tokens, choices] = [2, 1], but got [2, 2].`,
      );
    }
    expect(() => combineRows(tf.ones([2, 3]), weights, plan, wide)).toThrow(
      'combineRows: expertGradientWeights must have shape [tokens, choices] = [2, 1], but got [2, 2].',
    );
  });
});
