// What every score-function estimator of the registry promises, whatever its formula. A new row of the registry is tested here with no
// further line.
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {SCORE_ESTIMATORS, type ScoreEntry, type ScoreEstimatorName} from '../../../src/estimators/score/registry.js';
import {reinforce} from '../../../src/estimators/score/reinforce.js';
import type {Distribution, Objective, ScoreState} from '../../../src/estimators/score/types.js';
import {sumOf} from '../../../src/ops/sum-of.js';
import {seeded} from '../../../src/random/random-source.js';
import {ON_HOST, WHY_ON_HOST} from '../../support/device.js';
import {CPU_AND_BACKENDS, eachBackend} from '../../support/each-backend.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, expectFinite, list} from '../../support/expect-close.js';
import {numDraws} from '../../support/long-tests.js';
import {
  CUBIC,
  CUBIC_GRADIENT,
  estimatesOf,
  exactScoreGradient,
  type Problem,
  SINE_BITS,
  SINE_CATEGORIES,
  standardErrorsOff,
} from '../../support/score-oracle.js';

/** float32 sums of some terms of magnitude one to four. */
const ROUNDING = 1e-5;

/** Beyond so many standard errors of its mean a right estimator is once in 16,000 coordinates. */
const STANDARD_ERRORS = 4;

type Row = [ScoreEstimatorName, ScoreEntry];
const REGISTRY = Object.entries(SCORE_ESTIMATORS) as Row[];
const WITH_STATE = REGISTRY.filter(([, {createState}]) => createState !== undefined);

/** Every estimator with every distribution that it can work with. */
const CASES = REGISTRY.flatMap(([name, entry]) =>
  entry.distributions.map(
    distribution => [name, distribution, entry] as [ScoreEstimatorName, Distribution, ScoreEntry],
  ),
);

/** The problems of a distribution; all three have from three to six logits an example. */
const problems = (distribution: Distribution): Problem[] =>
  distribution === 'binary' ? [CUBIC, SINE_BITS] : [SINE_CATEGORIES];

/** A state in which every variable differs from its start. */
function usedState({createState}: ScoreEntry, problem: Problem): ScoreState {
  const state = createState!({latentSize: problem.logits.length, seed: 5});
  state.variables.forEach((variable, i) => {
    variable.assign(tf.tensor(numbers(60 + i, variable.size, -0.5, 0.5), variable.shape));
  });
  return state;
}

/** A few examples of a problem, with logits of their own, and an objective with a variable inside that notes its samples. */
function fewExamples({shape, logits, distribution, objective}: Problem, batch = 3) {
  const size = shape.reduce((a, b) => a * b, 1);
  const x = tf.variable(tf.tensor([...logits, ...numbers(7, (batch - 1) * size, -1.5, 1.5)], [batch, ...shape]));
  const w = tf.variable(tf.tensor(numbers(8, size, -1, 1), shape));
  const calls: {sample: tf.Tensor; kind: string}[] = [];
  const plain: Objective = sample => {
    const linear = tf.sum(tf.reshape(tf.mul(sample, w), [sample.shape[0]!, -1]), -1);
    return tf.add(objective(sample, 'hard'), tf.square(linear)) as tf.Tensor1D;
  };
  const noting: Objective = (sample, kind) => {
    calls.push({sample: tf.keep(tf.clone(sample)), kind});
    return plain(sample, kind);
  };
  const dispose = () => tf.dispose([x, w, ...calls.map(({sample}) => sample)]);
  return {distribution, x, w, calls, plain, noting, dispose};
}

/** The gradients by variable; undefined or null where there is none. */
function gradientsOf(loss: () => tf.Scalar, variables: readonly tf.Variable[]) {
  const {grads} = tf.variableGrads(loss, [...variables]);
  return variables.map(variable => grads[variable.name]);
}

const countsOf = ({numSamples: {minimum, multipleOf = 1, fixed = false}}: ScoreEntry) =>
  fixed ? [minimum] : [minimum, minimum + multipleOf, minimum + 3 * multipleOf];

describe.each(CASES)('%s, %s', (name, distribution, entry) => {
  const {estimate, numSamples: counts, createState} = entry;
  const [first] = problems(distribution) as [Problem];

  eachBackend(name, () => {
    describe.runIf(entry.isUnbiased)('unbiased', () => {
      test.each(problems(distribution).map((problem, i) => [i, problem] as const))(
        'the mean of many estimates is the gradient of the expectation: problem %d',
        (i, problem) => {
          const exact = exactScoreGradient(problem);
          const rows = estimatesOf(estimate, problem, numDraws(20_000), {random: seeded(100 + i)});
          expect(Math.max(...standardErrorsOff(rows, exact))).toBeLessThan(STANDARD_ERRORS);
          const more = Math.max(...countsOf(entry));
          const others = estimatesOf(estimate, problem, numDraws(10_000), {numSamples: more, random: seeded(200 + i)});
          expect(Math.max(...standardErrorsOff(others, exact))).toBeLessThan(STANDARD_ERRORS);
        },
      );

      test.runIf(createState)('the same with a state, whatever it has learned', () => {
        const problem = problems(distribution).at(-1)!;
        const state = usedState(entry, problem);
        const rows = estimatesOf(estimate, problem, numDraws(2000), {state, random: seeded(300)});
        state.dispose();
        expect(Math.max(...standardErrorsOff(rows, exactScoreGradient(problem)))).toBeLessThan(STANDARD_ERRORS);
      });
    });

    test('the objective is called once a hard draw, and at relaxed samples as often as the registry says', () => {
      for (const numSamples of countsOf(entry)) {
        const {x, calls, noting, dispose} = fewExamples(first);
        estimate(noting, x, {distribution, numSamples, random: seeded(1)});
        const kinds = calls.map(({kind}) => kind);
        expect(kinds.filter(kind => kind === 'hard').length).toBe(numSamples);
        expect(kinds.filter(kind => kind === 'relaxed').length).toBe(entry.numRelaxed);
        expect(calls.every(({sample}) => sample.dtype === 'float32' && sample.shape.join() === x.shape.join())).toBe(
          true,
        );
        dispose();
      }
    });

    test('hard samples hold zeros and ones, one a row of categories, and relaxed ones lie between', () => {
      const {x, calls, noting, dispose} = fewExamples(first, 50);
      estimate(noting, x, {distribution, random: seeded(1)});
      const of = (wanted: string) => calls.filter(({kind}) => kind === wanted).map(({sample}) => sample);
      for (const sample of of('hard')) {
        expect(new Set(list(sample))).toEqual(new Set([0, 1]));
        expect(distribution === 'binary' || list(tf.sum(sample, -1)).every(sum => sum === 1)).toBe(true);
      }
      for (const sample of of('relaxed')) {
        expect(list(sample).every(value => value >= 0 && value <= 1)).toBe(true);
        expect(new Set(list(sample)).size).toBeGreaterThan(2);
      }
      dispose();
    });

    test('value is the mean of the objective over the hard draws, and loss is its mean over the batch', () => {
      const numSamples = countsOf(entry).at(-1)!;
      const {x, calls, plain, noting, dispose} = fewExamples(first);
      const {value, loss} = estimate(noting, x, {distribution, numSamples, random: seeded(2)});
      const values = calls.filter(({kind}) => kind === 'hard').map(({sample}) => plain(sample, 'hard'));
      const mean = tf.div(sumOf(values), numSamples);
      expect([value.shape, value.dtype, loss.shape]).toEqual([[3], 'float32', []]);
      expectClose(value, list(mean), ROUNDING);
      expectClose(loss, list(tf.mean(mean)), ROUNDING);
      dispose();
    });

    test('a variable inside the objective gets the ordinary gradient at the hard draws', () => {
      const numSamples = countsOf(entry).at(-1)!;
      const {x, w, calls, plain, noting, dispose} = fewExamples(first);
      const [ofW] = gradientsOf(() => estimate(noting, x, {distribution, numSamples, random: seeded(3)}).loss, [w]);
      const draws = calls.filter(({kind}) => kind === 'hard').map(({sample}) => sample);
      const atDraws = () => tf.mean(tf.concat(draws.map(draw => plain(draw, 'hard')))) as tf.Scalar;
      const [expected] = gradientsOf(atDraws, [w]);
      expect(tf.max(tf.abs(expected!)).dataSync()[0]!).toBeGreaterThan(0.01);
      expectClose(ofW!, list(expected!), ROUNDING);
      dispose();
    });

    test('the estimate is scaled with what is done to the loss, and value carries no gradient', () => {
      const {x, w, plain, dispose} = fewExamples(first);
      const call = () => estimate(plain, x, {distribution, random: seeded(4)});
      const ofLoss = gradientsOf(() => call().loss, [x, w]);
      const scaled = gradientsOf(() => {
        const {loss, value} = call();
        return tf.add(tf.mul(-3, loss), tf.mul(7, tf.mean(value))) as tf.Scalar;
      }, [x, w]);
      scaled.forEach((gradient, i) => {
        expectClose(gradient!, list(tf.mul(-3, ofLoss[i]!)), ROUNDING);
      });
      dispose();
    });

    test('the estimate of an example is its own: where the objective is 0 for one of them, its gradient is 0', () => {
      const {x, plain, dispose} = fewExamples(first);
      const isOn = tf.tensor1d([1, 0, 1]);
      const gradient = tf.grad(y => {
        const objective: Objective = (b, kind) => tf.mul(plain(b, kind), isOn);
        return estimate(objective, y, {distribution, random: seeded(5)}).loss;
      })(x);
      const perRow = list(tf.sum(tf.reshape(tf.abs(gradient), [3, -1]), 1));
      expect(perRow[1]).toBe(0);
      // Without a difference between the draws leave-one-out is 0 too: the seed is one for which there is some.
      expect(Math.max(perRow[0]!, perRow[2]!)).toBeGreaterThan(0.01);
      dispose();
    });

    test('the gradient of a row of categories sums to zero', () => {
      const {x, plain, dispose} = fewExamples(SINE_CATEGORIES);
      const options = {distribution: 'categorical' as const, random: seeded(6)};
      const sums = () => list(tf.sum(tf.grad(y => estimate(plain, y, options).loss)(x), -1));
      expect(distribution === 'binary' || Math.max(...sums().map(Math.abs)) < ROUNDING).toBe(true);
      dispose();
    });

    test('a batch of one works, and an empty one is refused', () => {
      const {x, plain, dispose} = fewExamples(first, 1);
      const {loss, value} = estimate(plain, x, {distribution, random: seeded(1)});
      expectClose(loss, list(value), ROUNDING);
      const empty = [0, ...first.shape];
      expect(() => estimate(plain, tf.zeros(empty), {distribution})).toThrow(
        `${name}: logits must hold at least one example, but got shape [${empty.join(', ')}].`,
      );
      dispose();
    });

    test.each([1e4, -1e4, 60])(
      'logits of %d give finite numbers, and latents that are certain a gradient of 0',
      extreme => {
        const {plain, dispose} = fewExamples(first);
        const sign = numbers(3, first.logits.length).map(Math.sign);
        const values =
          distribution === 'binary' ? sign.map(s => s * extreme) : first.logits.map((_, i) => (i % 3 ? 0 : 1));
        const scaled = distribution === 'binary' ? values : values.map(v => v * Math.abs(extreme));
        const x = tf.tensor([...scaled, ...scaled], [2, ...first.shape]);
        for (const state of [undefined, createState && usedState(entry, first)]) {
          const {value, controlLoss = tf.scalar(0)} = estimate(plain, x, {distribution, state, random: seeded(1)});
          expectFinite(value);
          expectFinite(controlLoss);
          const gradient = tf.grad(y => estimate(plain, y, {distribution, state, random: seeded(1)}).loss)(x);
          expectFinite(gradient);
          state?.dispose();
        }
        // A network that was learned may add a part of mean 0.
        const gradient = tf.grad(y => estimate(plain, y, {distribution, random: seeded(1)}).loss)(x);
        expectClose(gradient, new Array(x.size).fill(0), 1e-6);
        dispose();
      },
    );

    test('a bit with a logit of plus or minus infinity, or a masked category, is certain and gets a gradient of 0', () => {
      const {plain, noting, calls, dispose} = fewExamples(first);
      const never = Number.NEGATIVE_INFINITY;
      const fixed =
        distribution === 'binary' ? [never, 0.4, Number.POSITIVE_INFINITY] : [never, 0.4, -0.2, 0.3, never, 0.1];
      const isFixed = fixed.map(value => (Number.isFinite(value) ? 0 : 1));
      const x = tf.tensor([...fixed, ...fixed], [2, ...first.shape]);
      estimate(noting, x, {distribution, random: seeded(1)});
      for (const {sample} of calls.filter(({kind}) => kind === 'hard')) {
        const drawn = list(tf.reshape(sample, [2, -1])).slice(0, fixed.length);
        expect(fixed.every((value, i) => Number.isFinite(value) || drawn[i] === (value > 0 ? 1 : 0))).toBe(true);
      }
      const gradient = tf.grad(y => estimate(plain, y, {distribution, random: seeded(1)}).loss)(x);
      expectFinite(gradient);
      expectClose(tf.mul(gradient, tf.tensor([...isFixed, ...isFixed], x.shape)), new Array(x.size).fill(0), 0);
      dispose();
    });

    test('nothing leaks: forward, with a gradient, or on an error', () => {
      const {x, w, plain, dispose} = fewExamples(first);
      const state = createState?.({latentSize: first.logits.length, seed: 1});
      const before = tf.memory().numTensors;
      const result = estimate(plain, x, {distribution, state});
      expect(tf.memory().numTensors).toBe(before + Object.values(result).length);
      tf.dispose(result);
      const {value, grads} = tf.variableGrads(() => estimate(plain, x, {distribution, state}).loss, [x, w]);
      tf.dispose([value, ...Object.values(grads)]);
      expect(tf.memory().numTensors).toBe(before);
      expect(() => estimate(() => 3 as never, x, {distribution, state})).toThrow();
      expect(tf.memory().numTensors).toBe(before);
      state?.dispose();
      dispose();
    });

    test('an objective that does not return the loss of each example is refused', () => {
      const {x, plain, dispose} = fewExamples(first);
      const words = `${name}: objective must return the loss of each example, a tensor of shape [batch] = [3], but got `;
      const refused = (objective: unknown, got: string) =>
        expect(() => estimate(objective as Objective, x, {distribution})).toThrow(words + got);
      refused((b: tf.Tensor) => tf.mean(plain(b, 'hard')), 'a tensor of shape [].');
      refused((b: tf.Tensor) => tf.reshape(plain(b, 'hard'), [3, 1]), 'a tensor of shape [3, 1].');
      refused((b: tf.Tensor) => tf.slice(plain(b, 'hard'), 0, 2), 'a tensor of shape [2].');
      refused(() => 3, '3.');
      dispose();
    });

    test('bad logits and options are refused in words', () => {
      const x = rowsOfOnes(first);
      const refused = (options: object, words: string, logits: tf.Tensor = x) =>
        expect(() => estimate(first.objective, logits, {distribution, ...options})).toThrow(`${name}: ${words}`);
      refused({distribution: 'normal'}, 'distribution must be one of');
      refused({numSamples: 1.5}, 'numSamples must be');
      refused({numSamples: counts.minimum - 1}, 'numSamples must be');
      const wrong = counts.minimum + (counts.fixed || counts.multipleOf ? 1 : 0.5);
      refused({numSamples: wrong}, 'numSamples must be');
      const shape = distribution === 'binary' ? '[batch, ..., bits]' : '[batch, ..., categories]';
      refused({}, `logits must be a float32 tensor of shape ${shape}, but got float32 of shape [3].`, tf.zeros([3]));
      refused({}, `logits must be a float32 tensor of shape ${shape}, but got int32`, tf.zeros(x.shape, 'int32'));
    });

    test.skipIf(!ON_HOST)(`logits of NaN are refused in words${WHY_ON_HOST}`, () => {
      const x = tf.fill(rowsOfOnes(first).shape, Number.NaN);
      const words = distribution === 'binary' ? 'the logits hold NaN' : 'row 0 of the logits';
      expect(() => estimate(first.objective, x, {distribution})).toThrow(`${name}: ${words}`);
    });

    test('the state of another estimator is refused, and so is one that is disposed', () => {
      const x = rowsOfOnes(first);
      const stranger: ScoreState = {variables: [], dispose: () => {}};
      const call = (state: ScoreState) => () => estimate(first.objective, x, {distribution, state});
      expect(call(stranger)).toThrow(new RegExp(`^${name}: (state must be made by create|keeps no state)`));
      const own = (createState ?? SCORE_ESTIMATORS.reinforce.createState)({latentSize: first.logits.length});
      own.dispose();
      expect(call(own)).toThrow(new RegExp(`^${name}: (the state is disposed|keeps no state)`));
    });
  });

  test('the same seed gives the same value and estimate on every backend', async () => {
    const results: number[][] = [];
    for (const backend of CPU_AND_BACKENDS) {
      await tf.setBackend(backend);
      tf.engine().startScope();
      const {x, plain, dispose} = fewExamples(first, 200);
      const call = (y: tf.Tensor) => estimate(plain, y, {distribution, random: seeded(21)});
      results.push([...list(call(x).value), ...list(tf.mul(200, tf.grad(y => call(y).loss)(x)))]);
      dispose();
      tf.engine().endScope();
    }
    expectClose(results[1]!, results[0]!, 1e-4);
  });
});

/** Two examples with all logits 1. */
const rowsOfOnes = ({shape}: Problem) => tf.ones([2, ...shape]);

describe.each(WITH_STATE)('%s with a state', (name, entry) => {
  const {estimate, distributions} = entry;
  const distribution = distributions.at(-1)!;
  const [problem] = problems(distribution) as [Problem];

  eachBackend(name, () => {
    test('its variables get nothing from loss', () => {
      const {x, w, plain, dispose} = fewExamples(problem);
      const state = usedState(entry, problem);
      const loss = () => estimate(plain, x, {distribution, state, random: seeded(1)}).loss;
      const [ofX, ofW, ...ofState] = gradientsOf(loss, [x, w, ...state.variables]);
      expectFinite(ofX!);
      expectFinite(ofW!);
      expect(ofState.every(gradient => gradient === undefined || gradient === null)).toBe(true);
      state.dispose();
      dispose();
    });

    test('controlLoss is the mean of the squared estimate, and there is one where something is learned', () => {
      const {x, plain, dispose} = fewExamples(problem);
      const state = usedState(entry, problem);
      const learns = state.variables.some(({trainable}) => trainable);
      const {controlLoss} = estimate(plain, x, {distribution, state: usedState(entry, problem), random: seeded(1)});
      expect(controlLoss !== undefined).toBe(learns);
      const ofLoss = tf.grad(y => estimate(plain, y, {distribution, state, random: seeded(1)}).loss)(x);
      const squared = tf.mean(tf.square(tf.mul(3, ofLoss)));
      // Both are 0 where nothing is learned.
      expectClose(controlLoss ?? tf.scalar(0), [learns ? squared.dataSync()[0]! : 0], 1e-3);
      state.dispose();
      dispose();
    });

    test('only its trainable variables get something from controlLoss', () => {
      const {x, w, plain, dispose} = fewExamples(problem, 20);
      const state = usedState(entry, problem);
      const trainable = state.variables.filter(variable => variable.trainable);
      const control = () =>
        estimate(plain, x, {distribution, state, random: seeded(1)}).controlLoss ?? (tf.sum(tf.square(x)) as tf.Scalar);
      const [ofX, ofW, ...ofState] = gradientsOf(control, [x, w, ...trainable]);
      // The stand-in above, where nothing is learned, reaches x alone.
      expect([ofX != null, ofW != null]).toEqual([trainable.length === 0, false]);
      expect(ofState.every(gradient => gradient != null && tf.max(tf.abs(gradient)).dataSync()[0]! > 0)).toBe(true);
      state.dispose();
      dispose();
    });

    test('another estimator refuses it', () => {
      const state = entry.createState!({latentSize: 3});
      const other = name === 'reinforce' ? SCORE_ESTIMATORS.doubleCV.estimate : reinforce;
      expect(() => other(CUBIC.objective, tf.zeros([2, 3]), {distribution: 'binary', state})).toThrow(
        /state must be made by create(DoubleCV|Reinforce)State, but got a \w+State\./,
      );
      state.dispose();
    });
  });
});

eachBackend('the oracle', () => {
  test('the enumeration gives the quoted gradient', () => {
    expectClose(exactScoreGradient(CUBIC), CUBIC_GRADIENT, 1e-6);
  });
});
