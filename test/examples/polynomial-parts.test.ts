// The parts of the program polynomial: the closed forms, the steps of the estimators, what a run can stand, the chart.
// SPDX-License-Identifier: Apache-2.0
import {readFileSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {runChart} from '../../examples/polynomial/chart.js';
import {describePanels} from '../../examples/polynomial/compare.js';
import {describeFigures, figuresOf} from '../../examples/polynomial/figures.js';
import {chooseMethod, createMethod, METHOD_NAMES, parseMethod, titleOf} from '../../examples/polynomial/methods.js';
import {
  chooseSettings,
  type Options,
  outputName,
  readMethod,
  readTarget,
  resumeOptions,
} from '../../examples/polynomial/options.js';
import {deviation, type Finished, meanOf, panelsOf} from '../../examples/polynomial/panels.js';
import {expectedLoss, optimalLoss, type Problem, startLoss, targetsOf} from '../../examples/polynomial/problem.js';
import {disposeRun, type Run, resumeRun, saveRun, startRun} from '../../examples/polynomial/run-state.js';
import {PROGRAM, type Settings} from '../../examples/polynomial/settings.js';
import {probabilitiesOf, train} from '../../examples/polynomial/training.js';
import {renderChart} from '../../examples/shared/charts.js';
import {loadCheckpoint} from '../../examples/shared/checkpoint.js';
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
  const method = createMethod(chooseMethod(parseMethod(name)), PROBLEM, batchSize, seed);
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
    const before = tf.memory().numTensors;
    const run = startRun({...SETTINGS, ...methodOf(name), steps: 3, reportEvery: 1, latents: 5});
    const atStart = await probabilitiesOf(run.theta);
    await go(run);
    // Adam moves each logit by about the rate of .001 a step at first, and a probability by a quarter of what its two logits move.
    const moved = (await probabilitiesOf(run.theta)).map((pi, bit) => Math.abs(pi - atStart[bit]!));
    expect(Math.max(...moved)).toBeGreaterThan(0.0005);
    expect(Math.max(...moved)).toBeLessThan(0.0016);
    expect(run.state.history).toHaveLength(3);
    disposeRun(run);
    expect(tf.memory().numTensors).toBe(before);
  });
});

eachBackendOfPrograms('what an estimator learns', () => {
  test.each(['relax', 'doubleCV', 'rodeo'])('%s trains its control variate beside the logits', async name => {
    const run = startRun({...SETTINGS, ...methodOf(name), steps: 3, latents: 5});
    const coefficient = run.method.variables[0]!;
    const [atStart] = await coefficient.data();
    await go(run);
    // At first Adam moves it by about the rate of .001 a step, or hardly at all where it gets no gradient.
    const moved = Math.abs((await coefficient.data())[0]! - atStart!);
    expect(moved).toBeGreaterThan(0.0005);
    expect(moved).toBeLessThan(0.0031);
    disposeRun(run);
  });
});

const SETTINGS: Settings = {
  estimator: 'reinmax',
  temperature: 1,
  p: 2,
  latents: 16,
  batchSize: 8,
  target: 0.45,
  steps: 400,
  reportEvery: 10,
  learningRate: 0.001,
  seed: 3,
  backend: 'wasm',
  trainingKernels: true,
  data: 'none',
};

const methodOf = (text: string) => chooseMethod(parseMethod(text));
const SILENT = {isBar: false, update: () => {}, line: () => {}, stop: () => {}};

/** Trains to the end, or until so many steps are done. */
async function go(run: Run, until = Number.POSITIVE_INFINITY): Promise<void> {
  const interrupt = {
    get exitCode() {
      return run.state.step >= until ? 130 : undefined;
    },
    dispose: () => {},
  };
  await train(run, SILENT, interrupt, async () => {});
}

const untimed = ({state}: Run) => {
  const {seconds: _, history, ...others} = state;
  return {...others, history: history.map(({seconds: _, ...line}) => line)};
};

describe('a run', () => {
  test('the last line may be short, and its mean loss is that of its own steps', async () => {
    await tf.setBackend('cpu');
    const run = startRun({...SETTINGS, ...methodOf('exact'), steps: 41, reportEvery: 2});
    await go(run);
    const figures = figuresOf(run);
    disposeRun(run);
    expect(figures.curve.step).toEqual([...Array.from({length: 21}, (_, line) => 2 * line), 41]);
    // Of the exact gradient the training loss is the expected one before the step, which is that after the step before.
    expect(figures.trainingLoss).toBeCloseTo(figures.curve.expectedLoss[20]!, ROUNDING_32);
    expect(describeFigures(figures, run.settings)).toContain('the mean of the last 1 steps');
  });

  // Of each kind, among them some that keep something from step to step: a baseline, a learned coefficient with its moments.
  test.each(['exact', 'reinmax:1.3', 'straightThroughGumbelSoftmax', 'reinforce', 'doubleCV'])(
    'by %s it is bit for bit the same at once, stopped, and gone on beyond its end',
    async name => {
      await tf.setBackend('cpu');
      const folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-polynomial-'));
      const path = join(folder, 'checkpoint.bin');
      const of = (steps: number): Settings => ({...SETTINGS, ...methodOf(name), steps, learningRate: 0.01});
      const whole = startRun(of(47)); // lines of 10, the last of 7
      await go(whole);
      let run = startRun(of(23));
      // Stopped in a line, then trained to an end that cuts a line short, to one at a line's own end, and to the end of the whole.
      for (const [until, steps] of [
        [14, 23],
        [99, 30],
        [99, 47],
      ] as const) {
        await go(run, until);
        await saveRun(path, run);
        disposeRun(run);
        run = await resumeRun(of(steps), await loadCheckpoint(path, PROGRAM));
      }
      expect(run.state.step).toBe(30);
      await go(run);
      expect(untimed(run)).toEqual(untimed(whole));
      expect(figuresOf(run)).toEqual(figuresOf(whole));
      expect(await probabilitiesOf(run.theta)).toEqual(await probabilitiesOf(whole.theta));
      await go(run); // once more, where nothing is left to do
      expect(untimed(run)).toEqual(untimed(whole));
      for (const each of [run, whole]) disposeRun(each);
      await rm(folder, {recursive: true});
    },
  );

  // Simulated in float64 with the same settings, the mean of 3 seeds: mean probability and expected loss at the end. The bounds are
  // those within which any seeds fall; a temperature or a factor that stood in the wrong place would lead out of them.
  test.each([
    ['exact', [0.0195, 0.0205], 0.2045],
    ['reinmax', [0.03, 0.1], 0.2074],
    ['reinmax:1.3', [0.28, 0.34], 0.234],
    ['straightThrough', [0.42, 0.48], 0.2478],
    ['straightThroughGumbelSoftmax', [0.38, 0.47], 0.2458],
    ['reinforce', [0.05, 0.15], 0.2102],
  ] as const)(
    'by %s it ends where the simulation does',
    async (name, [low, high], loss) => {
      await tf.setBackend('cpu');
      const ends: Finished[] = [];
      for (const seed of [0, 1, 2]) {
        const run = startRun({...SETTINGS, ...methodOf(name), batchSize: 64, learningRate: 0.01, seed});
        await go(run);
        ends.push({settings: run.settings, figures: figuresOf(run), trainingSeconds: 1});
        disposeRun(run);
      }
      const probability = meanOf(ends, 'meanProbability');
      expect(probability).toBeGreaterThan(low);
      expect(probability).toBeLessThan(high);
      expect(Math.abs(meanOf(ends, 'expectedLoss') - loss)).toBeLessThan(0.0015);
      // All bits have p = 2 and c = .45 in common, so that the expectation is linear in their mean probability.
      for (const {figures} of ends) {
        expect(figures.expectedLoss).toBeCloseTo(0.2025 + 0.1 * figures.meanProbability, 9);
        // Logits within .01 of 0: probabilities within .005 of a half.
        expect(Math.abs(figures.curve.expectedLoss[0]! - 0.2525)).toBeLessThan(0.0005);
      }
    },
    60_000,
  );
});

describe('the options', () => {
  test.each([
    ['reinmax', 'reinmax', 1, 'ReinMax'],
    ['reinmax:1.30', 'reinmax', 1.3, 'ReinMax, τ = 1.3'],
    ['st:1', 'straightThrough', 1, 'Straight-through'],
    ['rloo', 'leaveOneOut', null, 'REINFORCE, leave-one-out'],
    ['exact', 'exact', null, 'Exact gradient'],
  ])('%s names an estimator and its temperature', (text, estimator, temperature, title) => {
    const method = chooseMethod(readMethod(text));
    expect(method).toEqual({estimator, temperature});
    expect(titleOf(method)).toBe(title);
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

  test('a target lies between 0 and 1, or is linear', () => {
    expect(readTarget('.45')).toBe(0.45);
    expect(readTarget('linear')).toBe('linear');
    for (const text of ['0', '1', '-1', 'lin', '']) expect(() => readTarget(text)).toThrow('It must be');
  });

  const choose = (options: object) =>
    chooseSettings({
      ...SETTINGS,
      estimator: {estimator: 'reinmax'},
      temperature: undefined,
      ...options,
    } as unknown as Options);

  test('the temperature may stand by itself or behind the estimator, and at both places only where it is the same', () => {
    expect(choose({estimator: readMethod('st:0.5')}).temperature).toBe(0.5);
    expect(choose({temperature: 0.5}).temperature).toBe(0.5);
    expect(choose({estimator: readMethod('st:0.5'), temperature: 0.5}).temperature).toBe(0.5);
    expect(() => choose({estimator: readMethod('st:0.5'), temperature: 1})).toThrow(
      '--temperature: --estimator straightThrough:0.5 has its own, but got 1.',
    );
    expect(() => choose({estimator: readMethod('exact'), temperature: 2})).toThrow(
      '--temperature: exact has none, but got 2.',
    );
  });

  test.each([
    ['nothing', {}, {estimator: 'reinmax', temperature: 1.3}],
    ['the estimator alone', {estimator: readMethod('reinmax')}, {estimator: 'reinmax', temperature: 1.3}],
    ['both', {estimator: readMethod('reinmax:1.5')}, {estimator: 'reinmax', temperature: 1.5}],
    ['the temperature', {temperature: 1}, {estimator: 'reinmax', temperature: 1}],
    ['another estimator', {estimator: readMethod('exact')}, {estimator: 'exact', temperature: null}],
  ])('a run that goes on and names %s has the method that it had, or what is named', (_, given, expected) => {
    const options = {...SETTINGS, estimator: {estimator: 'arms'}} as unknown as Options;
    const {estimator, temperature} = chooseSettings(resumeOptions(options, {...SETTINGS, temperature: 1.3}, given));
    expect({estimator, temperature}).toEqual(expected);
  });

  test('the output folder names what tells runs apart', () => {
    expect(outputName(choose({}))).toBe('p2-l16-b8-c0.45-reinmax-seed3');
    expect(outputName(choose({target: 'linear', temperature: 0.5}))).toBe('p2-l16-b8-linear-reinmax-t0.5-seed3');
  });
});

/** A run that has not been made. */
function fakeRun(settings: Settings): Finished {
  const losses = Array.from({length: 41}, (_, i) => {
    return startLoss(settings) - (0.0016 * i * (settings.seed + settings.batchSize)) / 64;
  });
  const history = losses
    .slice(1)
    .map((loss, i) => ({step: 10 * (i + 1), trainingLoss: loss, expectedLoss: loss, meanProbability: 0.5, seconds: 1}));
  const state = {step: 400, lossSum: 0, initialLoss: losses[0]!, history, evaluations: 1, seconds: 1, secondsBefore: 0};
  return {settings, figures: figuresOf({settings, state}), trainingSeconds: 1};
}

describe('a comparison', () => {
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
  const several = [4, 3].flatMap(seed =>
    [32, 2, 8].flatMap(batchSize =>
      [16, 4].flatMap(latents =>
        names.map(name => fakeRun({...SETTINGS, ...methodOf(name), latents, batchSize, seed})),
      ),
    ),
  );

  test('sorts runs into panels and by estimators, and seeds stand together', () => {
    const panels = panelsOf(several);
    expect(panels.map(({latents, batchSize}) => [latents, batchSize])).toEqual(
      [4, 16].flatMap(latents => [2, 8, 32].map(batchSize => [latents, batchSize])),
    );
    for (const {methods} of panels) {
      expect(methods.map(({runs}) => runs.map(({settings}) => settings.seed))).toEqual(names.map(() => [3, 4]));
      expect(methods.map(({label}) => label)).toContain('ReinMax, τ = 1.3');
    }
    expect(deviation([1, 3])).toBeCloseTo(Math.SQRT2, ROUNDING);
  });

  test('runs of other lengths or rates are methods of their own, the best first, and say so', () => {
    const fast = fakeRun({...SETTINGS, learningRate: 0.01});
    const good = fakeRun({...SETTINGS, seed: 40});
    const [panel, ...others] = panelsOf([fast, good]);
    expect(others).toEqual([]);
    expect(panel!.methods.map(({label}) => label)).toEqual(['ReinMax, rate 0.001', 'ReinMax, rate 0.01']);
    // In panels of their own they need not.
    const apart = panelsOf([fast, fakeRun({...SETTINGS, p: 3})]);
    expect(apart.map(({methods}) => methods.map(({label}) => label))).toEqual([['ReinMax'], ['ReinMax']]);
  });

  test('the table has the means over the seeds', () => {
    const text = describePanels(
      panelsOf(several.filter(({settings}) => settings.latents === 16 && settings.batchSize === 8)),
    );
    expect(text).toContain('p = 2, c = 0.45, 16 bits, batch 8: from 0.252500 to 0.202500 at the optimum');
    // .2525 - .064 (s + 8) / 64 for the seeds s = 3 and 4: .2415 and .2405, the way (.2525 - .241) / .05 = 23 %, 1000 ms / 400.
    expect(text).toMatch(/^ReinMax, τ = 1\.3 +2 +0\.241000 +0\.000707 +0\.241000 +23\.0 % +0\.5000 +1 +2\.50$/m);
  });

  test('the chart has a panel for each problem, the batch sizes side by side, and one legend', async () => {
    const spec = runChart(panelsOf(several)) as {vconcat: {hconcat: {title: {text: string}}[]}[]};
    expect(spec.vconcat.map(({hconcat}) => hconcat.map(({title}) => title.text))).toEqual(
      [4, 16].map(latents => [2, 8, 32].map(batch => `${latents} bits, batch ${batch}`)),
    );
    const svg = await renderChart(runChart(panelsOf(several)));
    expect(svg).not.toContain('NaN');
    expect(svg.match(/>RODEO</g)).toHaveLength(1);
    expect(svg).toContain('p = 2');
    expect(svg).toContain('c = 0.45');
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
  const panels = panelsOf(lines.map(line => JSON.parse(line) as Finished));
  const lossOf = (p: number, name: string) => {
    const {runs} = panels.find(panel => panel.p === p)!.methods.find(({label}) => label === titleOf(methodOf(name)))!;
    return meanOf(runs, 'expectedLoss');
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
