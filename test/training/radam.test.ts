import * as tf from '@tensorflow/tfjs-core';
import {initializers, layers, loadLayersModel, type Sequential, sequential} from '@tensorflow/tfjs-layers';
import {type RAdamOptimizer, radam} from 'tfjs-moe/training';
import {afterEach, expect, test} from 'vitest';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** Relative: ten steps in float32, each with a rounding of 6e-8 or so. */
const ROUNDING = 1e-6;

const START = [1, -2, 0.5];
const SCALE = [1, 10, 0.1];
const TARGET = [3, 1, -1];

let made: tf.Variable[] = [];

function variable(values: number[]): tf.Variable {
  const result = tf.variable(tf.tensor1d(values));
  made.push(result);
  return result;
}

afterEach(() => {
  tf.dispose(made); // the scope that a test runs in does not end variables
  made = [];
});

/** sum of scale (x - target)^2 / 2, with gradient scale (x - target). */
const loss = (x: tf.Variable) => (): tf.Scalar => tf.mul(0.5, tf.sum(tf.mul(SCALE, tf.square(tf.sub(x, TARGET)))));

function steps(optimizer: tf.Optimizer, x: tf.Variable, count: number): number[][] {
  return Array.from({length: count}, () => {
    optimizer.minimize(loss(x), false, [x]);
    return list(x);
  });
}

interface Settings {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
}

/**
 * Algorithm 2 of the paper for one number, in float64, with the bias corrections where the paper has them: v divided by
 * 1 - beta2^t and epsilon, which the paper leaves out, divided by the root of the same.
 */
function slowSteps(x: number, gradient: (x: number) => number, count: number, s: Settings): number[] {
  const rhoInf = 2 / (1 - s.beta2) - 1;
  const [ms, vs, path]: [number[], number[], number[]] = [[], [], []];
  for (let t = 1; t <= count; ++t) {
    const g = gradient(x);
    // The moments as the sums that the recursion unrolls to.
    ms.push(g);
    vs.push(g * g);
    const average = (values: number[], beta: number) =>
      values.reduce((sum, value, i) => sum + (1 - beta) * beta ** (t - 1 - i) * value, 0) / (1 - beta ** t);
    const mHat = average(ms, s.beta1);
    const rho = rhoInf - (2 * t * s.beta2 ** t) / (1 - s.beta2 ** t);
    if (rho > 5) {
      const adaptive = 1 / (Math.sqrt(average(vs, s.beta2)) + s.epsilon / Math.sqrt(1 - s.beta2 ** t));
      const r = Math.sqrt(((rho - 4) * (rho - 2) * rhoInf) / ((rhoInf - 4) * (rhoInf - 2) * rho));
      x -= s.learningRate * r * mHat * adaptive;
    } else {
      x -= s.learningRate * mHat;
    }
    path.push(x);
  }
  return path;
}

function expectPath(actual: number[][], expected: number[][]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((x, t) => {
    expectClose(x, expected[t]!, 3 * ROUNDING);
  });
}

eachBackendAndKernels('radam', () => {
  // optax 0.2.8 with jax 0.10.2 in float64. Its epsilon stands beside the root of the corrected second moment;
  // PyTorch's beside that of the uncorrected one, which is optax' with epsilon / sqrt(1 - b2^t), so that each step has
  // its own transformation on the same state:
  //
  //   scale, target = jnp.array([1.0, 10.0, 0.1]), jnp.array([3.0, 1.0, -1.0])
  //   gradient = jax.grad(lambda x: jnp.sum(scale * (x - target) ** 2) / 2)
  //   def run(b2, eps):
  //     x = jnp.array([1.0, -2.0, 0.5])
  //     state = optax.radam(0.1).init(x)
  //     for t in range(1, 11):
  //       step = optax.radam(0.1, b1=0.9, b2=b2, eps=eps / (1 - b2 ** t) ** 0.5)
  //       updates, state = step.update(gradient(x), state)
  //       x = optax.apply_updates(x, updates)
  //       print([round(float(v), 7) for v in x])
  //   run(0.999, 1e-8)
  //   run(0.9, 0.05)
  //
  // rho is 4.996 at step 5 for b2 = .999, which is why only the last five steps depend on b2 and eps.
  const MOMENTUM = [
    [1.2, 1.0, 0.485],
    [1.3894737, 2.4210526, 0.4700789],
    [1.5684599, 2.7933579, 0.4552392],
    [1.7370267, 2.5359269, 0.440483],
    [1.8952716, 1.9662945, 0.4258126],
  ];

  test('takes the steps of optax with its defaults', () => {
    const optimizer = radam(0.1);
    expectPath(steps(optimizer, variable(START), 10), [
      ...MOMENTUM,
      [1.8977148, 1.9653056, 0.4232388],
      [1.9007734, 1.9638655, 0.4199779],
      [1.9043599, 1.9619785, 0.4161219],
      [1.9084167, 1.9596541, 0.4117344],
      [1.9129017, 1.9569045, 0.406863],
    ]);
    optimizer.dispose();
  });

  test('takes the steps of optax with other decays and an epsilon that is felt', () => {
    const optimizer = radam(0.1, {beta2: 0.9, epsilon: 0.05});
    expectPath(steps(optimizer, variable(START), 10), [
      ...MOMENTUM,
      [1.9191246, 1.956097, 0.4088127],
      [1.9498649, 1.940742, 0.3864784],
      [1.9863044, 1.9203273, 0.3596315],
      [2.0276324, 1.8950347, 0.3288649],
      [2.0732282, 1.8651008, 0.2946507],
    ]);
    optimizer.dispose();
  });

  test.each([
    {learningRate: 0.05, beta1: 0.9, beta2: 0.999, epsilon: 1e-8},
    {learningRate: 0.05, beta1: 0.5, beta2: 0.95, epsilon: 1e-3},
    {learningRate: 0.02, beta1: 0, beta2: 0.5, epsilon: 1e-8}, // rho never exceeds 3: gradient descent all along
  ])('takes the steps of a loop in float64 written from the paper: %j', settings => {
    const {learningRate, ...options} = settings;
    const optimizer = radam(learningRate, options);
    const expected = START.map((x, i) => slowSteps(x, y => SCALE[i]! * (y - TARGET[i]!), 25, settings));
    expectPath(
      steps(optimizer, variable(START), 25),
      expected[0]!.map((_, t) => expected.map(path => path[t]!)),
    );
    optimizer.dispose();
  });

  test('follows a learning rate that is changed between steps', () => {
    const optimizer = radam(0.1);
    const x = variable(START);
    optimizer.minimize(loss(x), false, [x]);
    optimizer.learningRate = 0;
    const held = list(x);
    optimizer.minimize(loss(x), false, [x]);
    expect(list(x)).toEqual(held);
    // The third step is as large as momentum over three gradients makes it: m = (.9 ^ 2 g1 + .9 g2 + g3) .1 / (1 - .9 ^
    // 3), g2 = g3.
    optimizer.learningRate = 0.01;
    optimizer.minimize(loss(x), false, [x]);
    const expected = held.map((v, i) => {
      const [g1, g2] = [SCALE[i]! * (START[i]! - TARGET[i]!), SCALE[i]! * (v - TARGET[i]!)];
      return v - (0.01 * 0.1 * (0.81 * g1 + 1.9 * g2)) / (1 - 0.729);
    });
    expectClose(x, expected, 3 * ROUNDING);
    optimizer.dispose();
  });

  test.each(['a list', 'a map'])(
    'a gradient missing from %s leaves its variable and the others as they would be',
    form => {
      const optimizer = radam(0.1, {beta2: 0.9});
      const [x, y] = [variable(START), variable([5])];
      // y gets the gradient 1 in every second step: its path is that of a variable with half as many steps.
      const path: number[][] = [];
      for (let t = 0; t < 20; ++t) {
        const ofX = tf.mul(SCALE, tf.sub(x, TARGET));
        const ofY = t % 2 === 0 ? tf.tensor1d([1]) : undefined;
        const asMap: tf.NamedTensorMap = ofY ? {[y.name]: ofY, [x.name]: ofX} : {[x.name]: ofX};
        const asList = [
          {name: y.name, tensor: ofY as tf.Tensor}, // tfjs itself passes undefined here
          {name: x.name, tensor: ofX},
        ];
        optimizer.applyGradients(form === 'a map' ? asMap : asList);
        path.push(list(x));
      }
      const settings = {learningRate: 0.1, beta1: 0.9, beta2: 0.9, epsilon: 1e-8};
      const expected = START.map((v, i) => slowSteps(v, z => SCALE[i]! * (z - TARGET[i]!), 20, settings));
      expectPath(
        path,
        expected[0]!.map((_, t) => expected.map(p => p[t]!)),
      );
      expectClose(y, [slowSteps(5, () => 1, 10, settings)[9]!], 5 * ROUNDING);
      expect(optimizer.iterations).toBe(20);
      optimizer.dispose();
    },
  );

  test('goes on from restored weights with the same steps, under new names too', async () => {
    const [first, whole] = [radam(0.1, {beta2: 0.95}), variable(START)];
    const expected = steps(first, whole, 14);
    const [before, x] = [radam(0.1, {beta2: 0.95}), variable(START)];
    steps(before, x, 6);
    const weights = await before.getWeights();
    expect(weights.map(({name}) => name)).toEqual(['iter', 'radam/steps', `${x.name}/m`, `${x.name}/v`]);

    const sameName = radam(0.1, {beta2: 0.95});
    await sameName.setWeights(weights);
    const otherName = radam(0.1, {beta2: 0.95});
    await otherName.setWeights(weights);
    await before.setWeights(await before.getWeights());
    expect([sameName.iterations, otherName.iterations, before.iterations]).toEqual([6, 6, 6]);

    const copies = [variable(list(x)), variable(list(x))];
    expectPath(steps(sameName, x, 8), expected.slice(6));
    expectPath(steps(otherName, copies[0]!, 8), expected.slice(6));
    x.assign(tf.tensor1d(list(copies[1]!)));
    expectPath(steps(before, x, 8), expected.slice(6));
    for (const optimizer of [first, before, sameName, otherName]) optimizer.dispose();
  });

  test('keeps the order of several variables, of which one has not had a gradient, over a restart', async () => {
    const run = async (restart: boolean) => {
      let optimizer = radam(0.1, {beta2: 0.9});
      let [x, y] = [variable(START), variable(START)];
      for (let t = 0; t < 16; ++t) {
        if (restart && t === 5) {
          const weights = await optimizer.getWeights();
          const next = radam(0.1, {beta2: 0.9});
          await next.setWeights(weights);
          optimizer.dispose();
          optimizer = next;
          [x, y] = [variable(list(x)), variable(list(y))];
        }
        // y, the first of the two, comes in from step 3 on, always with gradient 1.
        const ofY = t < 3 ? (undefined as unknown as tf.Tensor) : tf.onesLike(y);
        optimizer.applyGradients([
          {name: y.name, tensor: ofY},
          {name: x.name, tensor: tf.mul(SCALE, tf.sub(x, TARGET))},
        ]);
      }
      optimizer.dispose();
      return [...list(x), ...list(y)];
    };
    expectClose(await run(true), await run(false), 0);
  });

  test('refuses restored weights that fit neither by name nor by order, and weights that are not its own', async () => {
    const [optimizer, x] = [radam(), variable(START)];
    steps(optimizer, x, 1);
    const other = radam();
    await other.setWeights(await optimizer.getWeights());
    const wide = variable([1, 2, 3, 4]);
    expect(() => other.applyGradients([{name: wide.name, tensor: tf.ones([4])}])).toThrow(
      'radam: the first step after setWeights must be given the variables that were saved, in their order: ' +
        `${x.name} [3], but got ${wide.name} [4].`,
    );
    const adam = tf.train.adam(0.1);
    steps(adam, x, 1);
    await expect(other.setWeights(await adam.getWeights())).rejects.toThrow(
      'radam: the weights to restore must come from getWeights of radam, but got ' +
        `["iter", "${x.name}/m", "${x.name}/v"].`,
    );
    for (const o of [optimizer, other, adam]) o.dispose();
  });

  test('leaves nothing behind over ten steps and several saves, and dispose frees everything', async () => {
    const x = variable(START);
    const before = tf.memory().numTensors;
    const optimizer = radam(0.1);
    steps(optimizer, x, 1);
    const afterOne = tf.memory().numTensors;
    expect(afterOne).toBe(before + 2); // two moments
    steps(optimizer, x, 9);
    expect(tf.memory().numTensors).toBe(afterOne);
    await optimizer.getWeights();
    await optimizer.setWeights(await optimizer.getWeights());
    await optimizer.getWeights();
    expect(tf.memory().numTensors).toBe(afterOne + 2); // two counters
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('starts anew after dispose', () => {
    const optimizer = radam(0.1);
    steps(optimizer, variable(START), 7);
    optimizer.dispose();
    expectPath(steps(optimizer, variable(START), 5), MOMENTUM);
    optimizer.dispose();
  });

  test('trains a model with fit, and a saved and loaded model goes on as if it had not stopped', async () => {
    const [inputs, targets] = [tf.linspace(-1, 1, 24), tf.sin(tf.linspace(-3, 3, 24))];
    const [xs, ys] = [tf.reshape(inputs, [24, 1]), tf.reshape(targets, [24, 1])];
    const options = {epochs: 8, batchSize: 24, shuffle: false, verbose: 0} as const;
    const model: Sequential = sequential({
      layers: [
        layers.dense({
          units: 4,
          inputShape: [1],
          activation: 'tanh',
          kernelInitializer: initializers.glorotUniform({seed: 1}),
        }),
        layers.dense({units: 1, kernelInitializer: initializers.glorotUniform({seed: 2})}),
      ],
    });
    const optimizer = radam(0.05, {beta2: 0.99});
    model.compile({optimizer, loss: 'meanSquaredError'});
    const start = (await model.fit(xs, ys, options)).history.loss as number[];

    let artifacts: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async saved => {
        artifacts = saved;
        return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
      }),
      {includeOptimizer: true},
    );
    const expected = (await model.fit(xs, ys, options)).history.loss as number[];
    const loaded = await loadLayersModel(tf.io.fromMemory(artifacts!));
    const restored = (loaded as Sequential).optimizer as RAdamOptimizer;
    expect(restored.getClassName()).toBe('RAdam');
    expect(restored.getConfig()).toEqual({learningRate: 0.05, beta1: 0.9, beta2: 0.99, epsilon: 1e-8});
    expect(restored.iterations).toBe(8);
    const resumed = (await loaded.fit(xs, ys, options)).history.loss as number[];

    expect(expected[7]).toBeLessThan(0.6 * start[0]!);
    expectClose(resumed, expected, ROUNDING);
    for (const owner of [model, loaded, optimizer, restored]) owner.dispose();
  });

  test('refuses bad arguments, a learning rate that has become one, and an unknown variable', () => {
    expect(() => radam(-1)).toThrow('radam: learningRate must be a finite number of at least 0, but got -1.');
    expect(() => radam(Number.NaN)).toThrow('radam: learningRate must be a finite number of at least 0, but got NaN.');
    expect(() => radam(1, {beta1: 1})).toThrow('radam: beta1 must be a number of at least 0 and below 1, but got 1.');
    expect(() => radam(1, {beta2: -0.1})).toThrow(
      'radam: beta2 must be a number of at least 0 and below 1, but got -0.1.',
    );
    expect(() => radam(1, {epsilon: 0})).toThrow('radam: epsilon must be a positive finite number, but got 0.');
    const optimizer = radam();
    expect(() => optimizer.applyGradients({nobody: tf.ones([1])})).toThrow('radam: no variable has the name "nobody".');
    optimizer.learningRate = Number.POSITIVE_INFINITY;
    expect(() => optimizer.applyGradients({})).toThrow(
      'radam: learningRate must be a finite number of at least 0, but got Infinity.',
    );
    expect(optimizer.iterations).toBe(0);
  });
});
