// RELAX without training: its mean, its closed form, and what it asks of the objective. What its state learns: relax-state.test.ts.
import * as tf from '@tensorflow/tfjs-core';
import {seeded} from 'tfjs-moe/estimators';
import {expect, test} from 'vitest';
import {reinforce} from '../../../src/estimators/score/reinforce.js';
import {relax} from '../../../src/estimators/score/relax.js';
import {createRelaxState} from '../../../src/estimators/score/relax-state.js';
import type {Objective, ScoreOptions} from '../../../src/estimators/score/types.js';
import {CUBIC, estimates as estimatesOf, LOGITS, toObjective} from '../../support/bit-objective.js';
import {ON_HOST, WHY_ON_HOST} from '../../support/device.js';
import {numbers} from '../../support/enumerate.js';
import {expectClose, expectFinite, list} from '../../support/expect-close.js';
import {injected} from '../../support/injected.js';
import {LEAVES_LONG, numDraws, WHY_LONG} from '../../support/long-tests.js';
import {randomState, slowNetwork} from '../../support/relax-state.js';
import {type OfOne, slowRelax} from '../../support/slow-relax.js';
import {meanAndError} from '../../support/statistics.js';
import {eachBackendAndKernels} from '../../support/with-kernels.js';

/** float32 against float64, relative to the largest number of the list. */
const ROUNDING = 1e-5;

/** Two latents of three categories. */
const CATEGORIES = [0.5, -1, 0.2, -0.3, 0.8, 0.1];
const CENTRE = [...CUBIC.centre, 0.1, 0.7, 0.4];
const WEIGHTS = [...CUBIC.weights, 0.5, -0.7, 0.3];

/** Not separable, and its third derivative is not 0; for as many numbers as the sample has. */
const objective: Objective = (x, kind) => {
  const size = x.size / x.shape[0]!;
  return toObjective({centre: CENTRE.slice(0, size), weights: WEIGHTS.slice(0, size)})(x, kind);
};
const objectiveOfOne: OfOne = x =>
  x.reduce((sum, value, k) => sum + (value - CENTRE[k]!) ** 2, 0) +
  x.reduce((sum, value, k) => sum + value * WEIGHTS[k]!, 0) ** 3;

/** The estimate of each example, of the logits' shape. */
const estimates = (logits: tf.Tensor, options: ScoreOptions, of: Objective = objective) =>
  estimatesOf(x => relax(of, x, options), logits);

/** The gradient of E[objective] for one example, by enumeration of all samples, in float64. */
function exactGradient(logits: readonly number[], numCategories: number): number[] {
  const isBits = numCategories === 1;
  const rows = logits.length / numCategories;
  const probs = Array.from({length: rows}, (_, r) => {
    const row = isBits ? [0, logits[r]!] : logits.slice(r * numCategories, (r + 1) * numCategories);
    const total = row.reduce((sum, t) => sum + Math.exp(t), 0);
    return row.map(t => Math.exp(t) / total);
  });
  const choices = isBits ? 2 : numCategories;
  const gradient = new Array<number>(logits.length).fill(0);
  for (let code = 0; code < choices ** rows; ++code) {
    const picks = probs.map((_, r) => Math.floor(code / choices ** r) % choices);
    const sample = isBits ? picks : picks.flatMap(pick => probs[0]!.map((_, j) => (j === pick ? 1 : 0)));
    const means = isBits ? probs.map(row => row[1]!) : probs.flat();
    const weight = picks.reduce((product, pick, r) => product * probs[r]![pick]!, 1) * objectiveOfOne(sample);
    sample.forEach((value, k) => {
      gradient[k]! += weight * (value - means[k]!);
    });
  }
  return gradient;
}

const batchOf = (row: readonly number[], batch: number, shape: number[]) =>
  tf.tile(tf.reshape(tf.tensor1d([...row]), [1, ...shape]), [batch, ...shape.map(() => 1)]);

/** Each column's mean within four standard errors. */
function expectMean(perExample: tf.Tensor, expected: readonly number[]): void {
  const [batch, size] = [perExample.shape[0]!, expected.length];
  const values = list(tf.transpose(tf.reshape(perExample, [batch, size])));
  expected.forEach((truth, k) => {
    const {mean, error} = meanAndError(values.slice(k * batch, (k + 1) * batch));
    expect(Math.abs(mean - truth) / error, `logit ${k}: mean ${mean}, expected ${truth}`).toBeLessThan(4);
  });
}

eachBackendAndKernels('relax', () => {
  // Derived in float64 from the formulas of the paper: z = eta + logit(u), b = 101, v' = [.8148198268, .2978902382, .6089777736],
  // z~ = eta + logit(v') = [.2816377571, -.5573646570, 1.3430173669], c(z) = .8 f(sigmoid(z / .5)) with c(z) = 1.1927604672 and
  // c(z~) = 1.0857132128, f(b) = 3.644, and dz~/deta = [.0568162946, .1818337415, .5253513183], through v'.
  test('three bits with given uniforms have the estimate of the closed form', () => {
    const state = createRelaxState({latentSize: 3, hiddenUnits: 0, scale: 0.8, relaxation: 0.5});
    const random = injected([0.85, 0.35, 0.6, 0.2, 0.7, 0.45]);
    const seen: tf.Tensor[] = [];
    const spy: Objective = (x, kind) => {
      seen.push(tf.keep(tf.clone(x)));
      return objective(x, kind);
    };
    const gradient = estimates(tf.tensor2d([LOGITS]), {distribution: 'binary', random, state}, spy);
    expectClose(gradient, [2.8471292045, -1.9668030534, 0.8856094837], 3 * ROUNDING);
    const sigmoids = (z: number[]) => z.map(value => 1 / (1 + Math.exp(-value / 0.5)));
    expectClose(seen[0]!, [1, 0, 1], 0);
    expectClose(seen[1]!, sigmoids([0.5346010554, -0.3190392084, 1.3054651081]), ROUNDING);
    expectClose(seen[2]!, sigmoids([0.2816377571, -0.557364657, 1.3430173669]), ROUNDING);
    tf.dispose(seen);
    state.dispose();
  });

  test.each([
    ['binary', [2, 2], 1],
    ['binary', [3], 1],
    ['categorical', [2, 3], 3],
    ['categorical', [4], 4],
  ] as const)(
    '%s logits %j an example: the estimate is that of a slow loop with finite differences',
    (distribution, shape, numCategories) => {
      const [batch, contextSize] = [7, 2];
      const size = tf.util.sizeFromShape([...shape]);
      const logits = numbers(1, batch * size, -2, 2);
      const context = numbers(2, batch * contextSize);
      const u = numbers(3, batch * size, 0, 1);
      const v = numbers(4, batch * size, 0, 1);
      const state = randomState({latentSize: size, contextSize});
      const gradient = estimates(tf.tensor(logits, [batch, ...shape]), {
        distribution,
        random: injected([...u, ...v]),
        state,
        context: tf.tensor(context, [batch, contextSize]),
      });
      const part = (x: number[], i: number, width: number) => x.slice(i * width, (i + 1) * width);
      const expected = Array.from({length: batch}, (_, i) => {
        const network = slowNetwork(state, part(context, i, contextSize));
        const settings = {numCategories, objective: objectiveOfOne, network, scale: 0.7, relaxation: 0.5};
        return slowRelax(part(logits, i, size), part(u, i, size), part(v, i, size), settings).estimate;
      }).flat();
      expectClose(gradient, expected, ROUNDING * Math.max(...expected.map(Math.abs)));
      state.dispose();
    },
  );

  test.each([
    ['no state', undefined],
    ['a state with random weights', () => randomState({latentSize: 3})],
  ])('for bits the mean is the exact gradient with %s', (_, createState) => {
    const state = createState?.();
    const options = {distribution: 'binary', random: seeded(11), ...(state && {state})} as const;
    expectMean(estimates(batchOf(LOGITS, numDraws(30_000), [3]), options), exactGradient(LOGITS, 1));
    state?.dispose();
  });

  test.each([
    ['no state', undefined],
    ['a state with random weights', () => randomState({latentSize: 6})],
  ])('for categories the mean is the exact gradient with %s', (_, createState) => {
    const state = createState?.();
    const options = {random: seeded(12), ...(state && {state})};
    expectMean(estimates(batchOf(CATEGORIES, numDraws(30_000), [2, 3]), options), exactGradient(CATEGORIES, 3));
    state?.dispose();
  });

  test.skipIf(LEAVES_LONG)(`with scale 0 it is REINFORCE without a baseline, draw for draw${WHY_LONG}`, () => {
    const state = createRelaxState({latentSize: 3, scale: 0});
    const logits = tf.tensor2d(numbers(5, 60, -2, 2), [20, 3]);
    const options = {distribution: 'binary', random: seeded(1)} as const;
    const plain = tf.grad(x => reinforce(objective, x, {...options, random: seeded(1)}).loss)(logits);
    expectClose(tf.div(estimates(logits, {...options, state}), 20), list(plain), ROUNDING / 10);
    state.dispose();
  });

  test.skipIf(LEAVES_LONG)(
    `for categories with scale 0 it is (objective at the draw) (draw - softmax(logits))${WHY_LONG}`,
    () => {
      const state = createRelaxState({latentSize: 6, scale: 0});
      const logits = tf.tensor3d(numbers(6, 120, -2, 2), [20, 2, 3]);
      let hard: tf.Tensor = logits;
      const spy: Objective = (x, kind) => {
        if (kind === 'hard') hard = tf.keep(tf.clone(x));
        return objective(x, kind);
      };
      const gradient = estimates(logits, {random: seeded(2), state}, spy);
      const expected = tf.mul(tf.reshape(objective(hard, 'hard'), [20, 1, 1]), tf.sub(hard, tf.softmax(logits)));
      expectClose(gradient, list(expected), ROUNDING);
      hard.dispose();
      state.dispose();
    },
  );

  test.each([
    ['binary', [5, 3]],
    ['categorical', [5, 2, 3]],
  ] as const)(
    '%s: the objective is called hard, then relaxed twice, with samples of the logits’ shape',
    (distribution, shape) => {
      const logits = tf.tensor(numbers(7, tf.util.sizeFromShape([...shape])), [...shape]);
      const calls: [string, number[]][] = [];
      const samples: number[][] = [];
      const {loss, value, controlLoss} = relax(
        (x, kind) => {
          calls.push([kind, x.shape]);
          samples.push(list(x));
          return objective(x, kind);
        },
        logits,
        {distribution, random: seeded(4)},
      );
      expect(calls).toEqual([
        ['hard', shape],
        ['relaxed', shape],
        ['relaxed', shape],
      ]);
      expect(new Set(samples[0])).toEqual(new Set([0, 1]));
      expectClose(value, list(objective(tf.tensor(samples[0]!, [...shape]), 'hard')), 0);
      expectClose(loss, list(tf.mean(value)), ROUNDING);
      expect(controlLoss).toBeUndefined();
    },
  );

  test('variables inside the objective get the ordinary gradient at the hard draw, exactly', () => {
    const weight = tf.variable(tf.tensor1d([0.4, -1.1, 0.6]));
    const state = randomState({latentSize: 3});
    const logits = tf.tensor2d(numbers(8, 30), [10, 3]);
    const loss = (x: tf.Tensor) => tf.sum(tf.square(tf.sub(tf.mul(x, weight), 0.3)), 1) as tf.Tensor1D;
    let hard: tf.Tensor = logits;
    const spy: Objective = (x, kind) => {
      if (kind === 'hard') hard = tf.keep(tf.clone(x));
      return loss(x);
    };
    const options = {distribution: 'binary', random: seeded(5), state} as const;
    const {grads} = tf.variableGrads(() => {
      const {loss: total, controlLoss} = relax(spy, logits, options);
      return tf.add(total, controlLoss!) as tf.Scalar;
    });
    const ordinary = tf.variableGrads(() => tf.mean(loss(hard)) as tf.Scalar).grads;
    expectClose(grads[weight.name]!, list(ordinary[weight.name]!), 0);
    hard.dispose();
    weight.dispose();
    state.dispose();
  });

  test.each([
    ['binary', 30],
    ['binary', 1e4],
    ['binary', Number.POSITIVE_INFINITY],
    ['categorical', 30],
    ['categorical', 1e4],
  ] as const)('%s logits of size %d leave samples, estimate and controlLoss finite', (distribution, size) => {
    const rows = [
      [size, -size, 0.5],
      [-size, 0.2, -size],
      [size, size, -size],
    ];
    const logits = tf.tensor2d(rows.flatMap(row => new Array<number[]>(40).fill(row)));
    const state = randomState({latentSize: 3, relaxation: 0.1});
    const spy: Objective = (x, kind) => {
      expectFinite(x);
      return objective(x, kind);
    };
    // Infinite categories are refused, so that +Infinity stands among bits only.
    expectFinite(estimates(logits, {distribution, random: seeded(6), state}, spy));
    const {grads} = tf.variableGrads(
      () => relax(spy, logits, {distribution, random: seeded(6), state}).controlLoss as tf.Scalar,
    );
    expect(Object.keys(grads).length).toBe(state.variables.length);
    for (const gradient of Object.values(grads)) expectFinite(gradient);
    state.dispose();
  });

  test('masked categories are never drawn, have gradient 0 and leave the others what they are without them', () => {
    const masked = CATEGORIES.flatMap((t, k) => (k % 3 === 2 ? [t, Number.NEGATIVE_INFINITY] : [t]));
    const spread = (x: number[]) => x.flatMap((value, k) => (k % 3 === 2 ? [value, 0.5] : [value]));
    const u = numbers(9, 12, 0, 1);
    const dropMasked = tf.tensor2d([1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0], [4, 3]);
    const project = (x: tf.Tensor) => tf.reshape(tf.matMul(tf.reshape(x, [-1, 4]), dropMasked), [x.shape[0]!, 2, 3]);
    const without = estimates(tf.tensor3d(CATEGORIES, [1, 2, 3]), {random: injected(u)});
    const noise = injected([...spread(u.slice(0, 6)), ...spread(u.slice(6))]);
    const withMask = estimates(tf.tensor3d(masked, [1, 2, 4]), {random: noise}, (x, kind) =>
      objective(project(x), kind),
    );
    const perRow = list(without);
    expectClose(withMask, [...perRow.slice(0, 3), 0, ...perRow.slice(3), 0], 2 * ROUNDING);

    // A network has weights for a masked category, too; they meet no infinity.
    const state = randomState({latentSize: 8});
    const logits = batchOf(masked, 50, [2, 4]);
    const options = {random: seeded(3), state};
    const gradient = estimates(logits, options, (x, kind) => objective(project(x), kind));
    expectFinite(gradient);
    expectClose(tf.slice(gradient, [0, 0, 3], [50, 2, 1]), new Array<number>(100).fill(0), 0);
    state.dispose();
  });

  test('a constant added to the logits of a latent changes nothing', () => {
    const state = randomState({latentSize: 6});
    const [logits, shift] = [tf.tensor3d(numbers(10, 60), [10, 2, 3]), tf.tensor3d([4, -3], [1, 2, 1])];
    const [plain, shifted] = [logits, tf.add(logits, shift)].map(x => estimates(x, {random: seeded(8), state}));
    expectClose(plain!, list(shifted!), 20 * ROUNDING);
    expectClose(tf.sum(plain!, -1), new Array<number>(20).fill(0), ROUNDING);
    state.dispose();
  });

  test('no tensor is left behind', () => {
    const state = createRelaxState({latentSize: 3, contextSize: 2, hiddenUnits: 4});
    const [logits, context] = [tf.zeros([5, 3]), tf.ones([5, 2])];
    const options = {distribution: 'binary', random: seeded(1), state, context} as const;
    const before = tf.memory().numTensors;
    const {loss, value, controlLoss} = relax(objective, logits, options);
    expect(tf.memory().numTensors).toBe(before + 3);
    tf.dispose([loss, value, controlLoss!]);
    const {value: total, grads} = tf.variableGrads(() => relax(objective, logits, options).controlLoss as tf.Scalar);
    tf.dispose([total, ...Object.values(grads)]);
    tf.grad(x => relax(objective, x, options).loss)(logits).dispose();
    expect(tf.memory().numTensors).toBe(before);
    const variables = state.variables.length;
    state.dispose();
    expect(tf.memory().numTensors).toBe(before - variables);
  });

  test.skipIf(!ON_HOST)(`more than one sample and a row without a category are refused${WHY_ON_HOST}`, () => {
    expect(() => relax(objective, tf.zeros([2, 3]), {numSamples: 2})).toThrow('relax: numSamples must be 1');
    const logits = tf.tensor2d([
      [0, 0],
      [-Infinity, -Infinity],
    ]);
    expect(() => relax(objective, logits)).toThrow('relax: row 1 of the logits leaves nothing to choose from');
  });
});
