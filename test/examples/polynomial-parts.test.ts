// The parts of the program polynomial: the closed forms, the steps of the estimators, the list of runs, the chart.
// SPDX-License-Identifier: Apache-2.0
import {readFileSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {runChart} from '../../examples/polynomial/chart.js';
import {createMethod, formatMethod, METHOD_NAMES, parseMethod, titleOf} from '../../examples/polynomial/methods.js';
import {readMethod, readSeeds, readTarget} from '../../examples/polynomial/options.js';
import {expectedLoss, optimalLoss, type Problem, startLoss, targetsOf} from '../../examples/polynomial/problem.js';
import {deviation, panelsOf, type RunRecord, recordOf} from '../../examples/polynomial/record.js';
import {describeRuns} from '../../examples/polynomial/report.js';
import {listRuns, type Settings, stepsPerEpoch} from '../../examples/polynomial/settings.js';
import {disposeLearner, probabilitiesOf, startRun, train} from '../../examples/polynomial/training.js';
import {renderChart} from '../../examples/shared/charts.js';
import {seeded} from '../../src/estimators/index.js';
import {eachBackendOfPrograms} from '../support/long-tests.js';
import {meanAndError} from '../support/statistics.js';

/** Decimals to which float64 formulas agree. */
const ROUNDING = 12;
/** Decimals to which gradients of float32 agree. */
const ROUNDING_32 = 6;

describe('the problem', () => {
  // .45^p where a bit is 0, .55^p where it is 1, half of each for fair bits.
  test.each([
    [1.5, 0.35488, 0.301869],
    [2, 0.2525, 0.2025],
    [3, 0.12875, 0.091125],
  ])('p = %s has the known losses of fair bits and of the optimum', (p, fair, optimum) => {
    const problem: Problem = {p, latents: 128, target: 0.45};
    expect(startLoss(problem)).toBeCloseTo(fair, 6);
    expect(optimalLoss(problem)).toBeCloseTo(optimum, 6);
    expect(expectedLoss(problem, new Array(128).fill(0))).toBeCloseTo(optimum, 6);
  });

  test('a linear target goes from 0 to 1, and the optimum takes the nearer side of each', () => {
    const problem: Problem = {p: 2, latents: 4, target: 'linear'};
    expect(targetsOf(problem)).toEqual([0.125, 0.375, 0.625, 0.875]);
    // The nearer sides are .125, .375, .375 and .125 away.
    expect(optimalLoss(problem)).toBeCloseTo((2 * 0.125 ** 2 + 2 * 0.375 ** 2) / 4, ROUNDING);
    expect(expectedLoss(problem, [0, 0, 1, 1])).toBeCloseTo(optimalLoss(problem), ROUNDING);
    expect(expectedLoss(problem, [1, 0, 1, 1])).toBeCloseTo(
      optimalLoss(problem) + (0.875 ** 2 - 0.125 ** 2) / 4,
      ROUNDING,
    );
  });
});

const PROBLEM: Problem = {p: 2, latents: 3, target: 'linear'};
const LOGITS = [
  [0.7, -0.2],
  [-0.4, 0.1],
  [0.3, 0.9],
];

/** d expected loss / d theta, by hand: pi (1 - pi) (f(1) - f(0)) / latents for the logit of 1, and its opposite. */
function exactGradient(): number[] {
  return LOGITS.flatMap(([one, zero], bit) => {
    const pi = 1 / (1 + Math.exp(zero! - one!));
    const target = targetsOf(PROBLEM)[bit]!;
    const slope = (pi * (1 - pi) * ((1 - target) ** 2 - target ** 2)) / 3;
    return [slope, -slope];
  });
}

/** The gradient of one step with respect to theta, and what the step says of itself. */
function stepOf(name: string, batchSize: number, seed: number) {
  const method = createMethod(parseMethod(name), PROBLEM, batchSize, seed);
  const found = tf.tidy(() => {
    const theta = tf.tensor2d(LOGITS, [3, 2]);
    let loss = 0;
    let evaluations = 0;
    const gradient = tf.grad(x => {
      const step = method.evaluate(x, seeded(seed));
      loss = step.loss.dataSync()[0]!;
      evaluations = step.evaluations;
      return step.minimised;
    })(theta);
    return {gradient: Array.from(gradient.dataSync()), loss, evaluations};
  });
  method.dispose();
  return found;
}

eachBackendOfPrograms('a step of polynomial', () => {
  test('exact is the gradient of the expectation', () => {
    const {gradient, loss, evaluations} = stepOf('exact', 5, 0);
    const expected = exactGradient();
    gradient.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, ROUNDING_32);
    });
    const probabilities = LOGITS.map(([one, zero]) => 1 / (1 + Math.exp(zero! - one!)));
    expect(loss).toBeCloseTo(expectedLoss(PROBLEM, probabilities), ROUNDING_32);
    expect(evaluations).toBe(0);
  });

  // All that are unbiased for a quadratic, with how often they evaluate the loss. 30 steps of 100 samples; Student's t with 29 degrees of
  // freedom exceeds 5.5 with probability 6e-6, and the 8 x 7 values are of fixed seeds.
  test.each([
    ['reinmax', 1],
    ['reinforce', 1],
    ['leaveOneOut', 2],
    ['disarm', 2],
    ['arms', 2],
    ['doubleCV', 2],
    ['rodeo', 2],
    ['relax', 3],
  ])('%s has the exact gradient in the mean, with respect to both logits, and the expected loss', (name, count) => {
    const steps = Array.from({length: 30}, (_, seed) => stepOf(name, 100, seed));
    exactGradient().forEach((expected, i) => {
      const {mean, error} = meanAndError(steps.map(({gradient}) => gradient[i]!));
      expect(Math.abs(mean - expected)).toBeLessThan(5.5 * error);
      // Small enough that the sign, and a factor of 2 or of the batch, would be seen.
      expect(5.5 * error).toBeLessThan(0.5 * Math.abs(exactGradient()[0]!));
    });
    const {mean, error} = meanAndError(steps.map(({loss}) => loss));
    const probabilities = LOGITS.map(([one, zero]) => 1 / (1 + Math.exp(zero! - one!)));
    expect(Math.abs(mean - expectedLoss(PROBLEM, probabilities))).toBeLessThan(5.5 * error);
    expect(steps[0]!.evaluations).toBe(count);
  });

  test.each(METHOD_NAMES)('%s trains, and leaves no tensor behind', async name => {
    const [run] = listRuns({...SETTINGS, estimators: [parseMethod(name)], seeds: 1, steps: 3, latents: [5]});
    const before = tf.memory().numTensors;
    const {learner, state} = startRun(run!);
    const atStart = await probabilitiesOf(learner.theta);
    await train(run!, learner, state, {exitCode: undefined, dispose: () => {}}, () => {});
    // Adam moves each logit by about the rate of .001 a step at first, and a probability by a quarter of what its two logits move.
    const moved = (await probabilitiesOf(learner.theta)).map((pi, bit) => Math.abs(pi - atStart[bit]!));
    expect(Math.max(...moved)).toBeGreaterThan(0.0005);
    expect(Math.max(...moved)).toBeLessThan(0.0016);
    expect(state.expectedLoss).toHaveLength(4); // at the start and after each epoch, here of a step
    expect(state.trainingLoss).toHaveLength(3);
    disposeLearner(learner);
    expect(tf.memory().numTensors).toBe(before);
  });
});

eachBackendOfPrograms('what an estimator learns', () => {
  test.each(['relax', 'doubleCV', 'rodeo'])('%s trains its control variate beside the logits', async name => {
    const [run] = listRuns({...SETTINGS, estimators: [parseMethod(name)], seeds: 1, steps: 3, latents: [5]});
    const {learner, state} = startRun(run!);
    const coefficient = learner.method.variables[0]!;
    const [atStart] = await coefficient.data();
    await train(run!, learner, state, {exitCode: undefined, dispose: () => {}}, () => {});
    // At first Adam moves it by about the rate of .001 a step, or hardly at all where it gets no gradient.
    const moved = Math.abs((await coefficient.data())[0]! - atStart!);
    expect(moved).toBeGreaterThan(0.0005);
    expect(moved).toBeLessThan(0.0031);
    disposeLearner(learner);
  });
});

const SETTINGS: Settings = {
  p: [2],
  latents: [16],
  batchSize: [8],
  target: 0.45,
  steps: 400,
  learningRate: 0.001,
  estimators: [parseMethod('reinmax')],
  seed: 3,
  seeds: 2,
  backend: 'wasm',
  trainingKernels: true,
  data: 'none',
};

describe('the list of runs', () => {
  test('each combination is a run, and a seed goes through all before the next one begins', () => {
    const runs = listRuns({...SETTINGS, p: [2, 3], latents: [4, 8], estimators: ['st', 'exact'].map(parseMethod)});
    expect(runs).toHaveLength(2 * 2 * 2 * 2);
    expect(runs.map(({seed}) => seed)).toEqual([...new Array(8).fill(3), ...new Array(8).fill(4)]);
    expect(runs.slice(0, 3).map(({p, latents, estimator}) => [p, latents, estimator.name])).toEqual([
      [2, 4, 'straightThrough'],
      [2, 4, 'exact'],
      [2, 8, 'straightThrough'],
    ]);
    expect(listRuns({...SETTINGS, seeds: [7, 5]}).map(({seed}) => seed)).toEqual([7, 5]);
  });

  test.each([
    [8000, 200],
    [400, 10],
    [401, 11],
    [3, 1],
  ])('%s steps have epochs of %s', (steps, perEpoch) => {
    expect(stepsPerEpoch({steps})).toBe(perEpoch);
  });

  test('the last epoch may be short, and its mean loss is that of its own steps', async () => {
    await tf.setBackend('cpu');
    const [run] = listRuns({...SETTINGS, steps: 41, estimators: [parseMethod('exact')]}); // epochs of 2 steps, the last of 1
    const {learner, state} = startRun(run!);
    await train(run!, learner, state, {exitCode: undefined, dispose: () => {}}, () => {});
    const {figures} = recordOf(run!, SETTINGS, state, await probabilitiesOf(learner.theta));
    disposeLearner(learner);
    expect(figures.curve.step).toEqual([...Array.from({length: 21}, (_, epoch) => 2 * epoch), 41]);
    // Of the exact gradient the training loss is the expected one before the step, which is that after the step before.
    expect(figures.trainingLoss).toBeCloseTo(figures.curve.expectedLoss[20]!, ROUNDING_32);
  });
});

describe('the options', () => {
  test.each([
    ['reinmax', 'reinmax', 1, 'reinmax', 'ReinMax'],
    ['reinmax:1.30', 'reinmax', 1.3, 'reinmax:1.3', 'ReinMax, τ = 1.3'],
    ['st:1', 'straightThrough', 1, 'straightThrough', 'Straight-through'],
    ['rloo', 'leaveOneOut', null, 'leaveOneOut', 'REINFORCE, leave-one-out'],
    ['exact', 'exact', null, 'exact', 'Exact gradient'],
  ])('%s names an estimator and its temperature', (text, name, temperature, shortest, title) => {
    expect(readMethod(text)).toEqual({name, temperature});
    expect(formatMethod(readMethod(text))).toBe(shortest);
    expect(readMethod(shortest)).toEqual(readMethod(text));
    expect(titleOf(readMethod(text))).toBe(title);
  });

  test.each([
    'toString',
    'reinmax:',
    'reinmax:0',
    'reinmax:1:2',
    'reinmax:1e-60',
    'reinmax:x',
    'exact:1',
    'relax:2',
    '',
  ])('"%s" is refused as an estimator', text => {
    expect(() => readMethod(text)).toThrow(/There is no|has no temperature|A temperature is a number above 0/);
  });

  test('seeds are a number of them, or, with a comma, those that are named', () => {
    expect(readSeeds('3')).toBe(3);
    expect(readSeeds('0,3')).toEqual([0, 3]);
    expect(() => readSeeds('0')).toThrow('at least 1');
    expect(() => readSeeds('1,1')).toThrow('once');
  });

  test('a target lies between 0 and 1, or is linear', () => {
    expect(readTarget('.45')).toBe(0.45);
    expect(readTarget('linear')).toBe('linear');
    for (const text of ['0', '1', '-1', 'lin', '']) expect(() => readTarget(text)).toThrow('It must be');
  });
});

/** A run that has not been made. */
function fakeRecords(settings: Settings): RunRecord[] {
  const state = {step: 400, lossSum: 0, trainingLoss: [], expectedLoss: [], evaluations: 1, seconds: 1};
  return listRuns(settings).map(run => {
    const losses = Array.from({length: 41}, (_, i) => startLoss(run) - (0.0016 * i * (run.seed + run.batchSize)) / 64);
    return recordOf(run, settings, {...state, trainingLoss: [losses[40]!], expectedLoss: losses}, [0.25, 0.75]);
  });
}

describe('the results', () => {
  const names = [
    'reinmax',
    'reinmax:1.3',
    'reinforce',
    'relax',
    'exact',
    'st',
    'stgs',
    'gst',
    'arms',
    'disarm',
    'rodeo',
  ];
  const several: Settings = {...SETTINGS, latents: [4, 16], batchSize: [2, 8, 32], estimators: names.map(parseMethod)};

  test('runs are sorted into panels and by estimators, and seeds stand together', () => {
    const panels = panelsOf(fakeRecords(several));
    expect(panels.map(({latents, batchSize}) => [latents, batchSize])).toEqual(
      [4, 16].flatMap(latents => [2, 8, 32].map(batchSize => [latents, batchSize])),
    );
    for (const {methods} of panels) {
      expect(methods.map(({runs}) => runs.map(({seed}) => seed))).toEqual(names.map(() => [3, 4]));
    }
    expect(deviation([1, 3])).toBeCloseTo(Math.SQRT2, ROUNDING);
  });

  test('the table has the means over the seeds', () => {
    const text = describeRuns(fakeRecords({...several, latents: [16], batchSize: [8]}));
    expect(text).toContain('p = 2, c = 0.45, 16 bits, batch 8, 2 seeds: from 0.252500 to 0.202500 at the optimum');
    // .2525 - .064 (s + 8) / 64 for the seeds s = 3 and 4: .2415 and .2405, the way (.2525 - .241) / .05 = 23 %, 1000 ms / 400.
    expect(text).toMatch(/^ReinMax, τ = 1\.3 +0\.241000 +0\.000707 +0\.241000 +23\.0 % +0\.5000 +1 +2\.50$/m);
  });

  test('the chart has a panel for each problem, the batch sizes side by side, and one legend', async () => {
    const spec = runChart(panelsOf(fakeRecords(several))) as {vconcat: {hconcat: {title: {text: string}}[]}[]};
    expect(spec.vconcat.map(({hconcat}) => hconcat.map(({title}) => title.text))).toEqual(
      [4, 16].map(latents => [2, 8, 32].map(batch => `${latents} bits, batch ${batch}`)),
    );
    const svg = await renderChart(runChart(panelsOf(fakeRecords(several))));
    expect(svg).not.toContain('NaN');
    expect(svg.match(/>RODEO</g)).toHaveLength(1);
    expect(svg).toContain('p = 2, c = 0.45');
  });
});

describe('the results in docs', () => {
  // A simulation of the estimators' formulas in float64, independent of this library: 128 bits, c = .45, batch 64, Adam at .001, 8,000
  // steps, the mean of 2 seeds; the expected loss at the end for p = 1.5, 2 and 3.
  const SIMULATED: [name: string, losses: (number | null)[]][] = [
    ['exact', [0.30206, 0.20268, 0.09126]],
    ['reinmax', [0.3053, 0.20372, 0.09154]],
    ['reinmax:1.3', [0.34377, 0.23359, 0.10587]],
    ['straightThrough', [0.35219, 0.24747, 0.12127]],
    ['straightThroughGumbelSoftmax', [0.35131, 0.2458, 0.11883]],
    ['straightThroughGumbelSoftmax:0.5', [null, 0.24304, null]],
    ['reinforce', [0.30392, 0.2041, 0.09207]],
  ];
  /** How far runs with other seeds may end from each other: above the largest deviation between seeds several times. */
  const SEEDS = 6e-4;
  const lines = readFileSync(new URL('../../docs/results/polynomial.jsonl', import.meta.url), 'utf8')
    .trimEnd()
    .split('\n');
  const panels = panelsOf(lines.map(line => JSON.parse(line) as RunRecord));
  const lossOf = (p: number, name: string) => {
    const {runs} = panels.find(panel => panel.p === p)!.methods.find(method => method.name === name)!;
    return runs.map(({figures}) => figures.expectedLoss).reduce((sum, loss) => sum + loss / runs.length, 0);
  };
  const cases = SIMULATED.flatMap(([name, losses]) =>
    [1.5, 2, 3].flatMap((p, i) => (losses[i] === null ? [] : [[name, p, losses[i]!] as const])),
  );

  test.each(cases)('%s at p = %s ends at the expected loss of the simulation, %s', (name, p, expected) => {
    expect(Math.abs(lossOf(p, name) - expected)).toBeLessThan(SEEDS);
  });

  // Straight-through weighs the slopes at 0 and at 1 by the probability of each: with a = .45^(p-1) and b = .55^(p-1) it stands still
  // where pi b = (1 - pi) a, at pi = a / (a + b), far from the optimum at 0.
  test.each([1.5, 2, 3])('straight-through stalls at p = %s where its expected gradient vanishes', p => {
    const [a, b] = [0.45 ** (p - 1), 0.55 ** (p - 1)];
    const stalled = expectedLoss({p, latents: 1, target: 0.45}, [a / (a + b)]);
    expect(Math.abs(lossOf(p, 'straightThrough') - stalled)).toBeLessThan(SEEDS / 6);
  });
});
