// Built-in experts, plain and gated, one by one and all at once.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import {describe, expect, test} from 'vitest';
import {stackOutputs} from '../../src/layers/expert-stack.js';
import {FeedForwardExpert, type FeedForwardExpertArgs} from '../../src/layers/feed-forward-expert.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** A few products and sums of a small network in float32. */
const NETWORK = 1e-5;
const WIDTH = 3;

const variablesOf = (layer: tfl.layers.Layer) =>
  layer.trainableWeights.map(weight => (weight as unknown as {val: tf.Variable}).val);
const namesOf = (layer: tfl.layers.Layer) => layer.weights.map(({originalName}) => originalName.split('/').at(-1));

/** Experts that differ in their weights, biases included. */
function makeExperts(count: number, args: Partial<FeedForwardExpertArgs>): FeedForwardExpert[] {
  return Array.from({length: count}, (_, e) => {
    const expert = new FeedForwardExpert({hiddenUnits: [4], activation: 'relu', ...args});
    expert.build([null, WIDTH]);
    variablesOf(expert).forEach((variable, i) => {
      variable.assign(tf.tensor(numbers(100 * e + i, variable.size), variable.shape));
    });
    return expert;
  });
}

/** Each expert applied to its own rows. */
function oneByOne(experts: FeedForwardExpert[], rows: tf.Tensor2D, sizes: number[]): tf.Tensor2D {
  let start = 0;
  const outputs = experts.flatMap((expert, e) => {
    start += sizes[e]!;
    if (sizes[e] === 0) return [];
    return [expert.call(tf.slice(rows, [start - sizes[e]!, 0], [sizes[e]!, -1])) as tf.Tensor2D];
  });
  return tf.concat2d(outputs, 0);
}

type Compute = typeof oneByOne;

/** The value, its gradient with respect to the rows, and those of all variables; null for a variable that has none. */
function everything(compute: Compute, experts: FeedForwardExpert[], rows: tf.Tensor2D, sizes: number[], dy: tf.Tensor) {
  const loss = (x: tf.Tensor) => tf.sum(tf.mul(compute(experts, x as tf.Tensor2D, sizes), dy)) as tf.Scalar;
  const variables = experts.flatMap(variablesOf);
  const {grads} = tf.variableGrads(() => loss(rows), variables);
  return {
    value: list(compute(experts, rows, sizes)),
    ofRows: list(tf.grad(loss)(rows)),
    ofVariables: variables.map(({name}) => (grads[name] == null ? null : list(grads[name]))),
    shapes: variables.map(({name}) => grads[name]?.shape),
  };
}

const ARCHITECTURES: [string, Partial<FeedForwardExpertArgs> & {units?: number}][] = [
  ['relu', {}],
  ['two hidden layers and other units', {hiddenUnits: [4, 5], units: 2}],
  ['no hidden layer', {hiddenUnits: []}],
  ['tanh', {activation: 'tanh'}],
  ['softmax', {activation: 'softmax'}],
  ['no biases', {useBias: false}],
  ['SwiGLU', {activation: 'swish', gated: true, useBias: false}],
  ['GeGLU of two hidden layers', {activation: 'gelu', gated: true, hiddenUnits: [4, 5]}],
  ['ReGLU', {gated: true}],
];

eachBackendAndKernels('stackOutputs', () => {
  describe.each(ARCHITECTURES)('%s', (_, args) => {
    test.each([[[2, 0, 5]], [[7]], [[0, 1, 0, 0, 6, 0]]])(
      'equals each expert on its rows, in value and all gradients: %j',
      sizes => {
        const experts = makeExperts(sizes.length, args);
        const rows = tf.tensor2d(numbers(1, 7 * WIDTH), [7, WIDTH]);
        const units = args.units ?? WIDTH;
        const dy = tf.tensor2d(numbers(2, 7 * units), [7, units]);
        const expected = everything(oneByOne, experts, rows, sizes, dy);
        const actual = everything(stackOutputs, experts, rows, sizes, dy);
        expectClose(actual.value, expected.value, NETWORK);
        expectClose(actual.ofRows, expected.ofRows, NETWORK);
        const variables = experts.flatMap(variablesOf);
        expect(actual.shapes).toEqual(variables.map(({shape}) => shape));
        actual.ofVariables.forEach((gradient, i) => {
          // An expert without rows is not applied one by one: its variables have no gradient there, and one of zeros here.
          const {size} = variables[i]!;
          expectClose(gradient!, expected.ofVariables[i] ?? new Array<number>(size).fill(0), NETWORK);
        });
        expect(expected.ofVariables.some(gradient => gradient?.some(g => g !== 0))).toBe(true);
      },
    );

    test('without any row the output is empty and every gradient zeros', () => {
      const experts = makeExperts(2, args);
      const rows: tf.Tensor2D = tf.zeros([0, WIDTH]);
      const {value, grads} = tf.variableGrads(
        () =>
          tf.addN([
            tf.scalar(1),
            tf.sum(tf.concat([stackOutputs(experts, rows, [0, 0]), tf.ones([1, args.units ?? WIDTH])])),
          ]) as tf.Scalar,
        experts.flatMap(variablesOf),
      );
      expect(list(value)).toEqual([1 + (args.units ?? WIDTH)]);
      for (const {name, size} of experts.flatMap(variablesOf)) {
        expect(list(grads[name]!)).toEqual(new Array<number>(size).fill(0));
      }
    });
  });

  test('with our kernels as many kernels run for sixteen experts as for one, and without them three products a layer and expert', async () => {
    const kernelsOf = async (count: number) => {
      const experts = makeExperts(count, {});
      const sizes = new Array<number>(count).fill(16 / count);
      const rows: tf.Tensor2D = tf.ones([16, WIDTH]);
      const run = () => {
        const loss = () => tf.sum(stackOutputs(experts, rows, sizes)) as tf.Scalar;
        return tf.variableGrads(loss, experts.flatMap(variablesOf)).value;
      };
      const {kernels} = await tf.profile(run);
      return kernels.map(({name}) => name).filter(name => !['', 'Identity'].includes(name)); // what is saved is cloned
    };
    const [one, many] = [await kernelsOf(1), await kernelsOf(16)];
    const hasKernels = tf.getKernel('GroupedMatMul', tf.getBackend()) !== undefined;
    // Two layers forward and backward. Without kernels each makes three products for each expert.
    const backward = ['GroupedFinishGrad', 'GroupedMatMul', 'GroupedMatMulGradB'];
    const grouped = hasKernels ? ['GroupedMatMul', 'GroupedMatMul', ...backward, ...backward] : [];
    expect(many.filter(name => name.startsWith('Grouped'))).toEqual(grouped);
    expect(many.filter(name => name === 'BatchMatMul')).toHaveLength(hasKernels ? 0 : 2 * 3 * 16);
    expect(many.includes('Relu')).toBe(!hasKernels); // it is no kernel of its own where the product has it
    expect(many.length > one.length).toBe(!hasKernels);
  });

  test('nothing is left behind, with a tape and without', () => {
    const experts = makeExperts(3, {activation: 'swish', gated: true});
    const rows = tf.tensor2d(numbers(1, 7 * WIDTH), [7, WIDTH]);
    const counts = () => [tf.memory().numTensors, tf.backend().numDataIds()];
    const run = () => {
      stackOutputs(experts, rows, [2, 0, 5]).dispose();
      const {value, grads} = tf.variableGrads(() => tf.sum(stackOutputs(experts, rows, [2, 0, 5])) as tf.Scalar);
      tf.dispose([value, grads]);
    };
    run();
    const before = counts();
    for (let i = 0; i < 20; ++i) run();
    expect(counts()).toEqual(before);
  });

  test('group sizes that are not one for each expert are refused', () => {
    const experts = makeExperts(3, {});
    expect(() => stackOutputs(experts, tf.ones([7, WIDTH]), [3, 4])).toThrow(
      'groupedDense: kernels must be a list of one tensor for each of the groups, 1 or more, but got 3 for 2.',
    );
  });
});

eachBackendAndKernels('FeedForwardExpert', () => {
  test('a gated layer is activation(x W_gate + b_gate) * (x W + b), and the last layer linear', () => {
    const [expert] = makeExperts(1, {gated: true, activation: 'swish', hiddenUnits: [2], units: 1}) as [
      FeedForwardExpert,
    ];
    expect(namesOf(expert)).toEqual(['kernel_0', 'bias_0', 'gate_kernel_0', 'gate_bias_0', 'kernel_1', 'bias_1']);
    const [w, b, v, c, u, d] = variablesOf(expert).map(variable => list(variable)) as [
      number[],
      number[],
      number[],
      number[],
      number[],
      number[],
    ];
    const x = [0.5, -1.5, 2];
    const affine = (kernel: number[], bias: number[], n: number) =>
      x.reduce((sum, value, k) => sum + value * kernel[2 * k + n]!, bias[n]!);
    const swish = (z: number) => z / (1 + Math.exp(-z));
    const hidden = [0, 1].map(n => swish(affine(v, c, n)) * affine(w, b, n));
    expectClose(expert.call(tf.tensor2d([x])), [hidden[0]! * u[0]! + hidden[1]! * u[1]! + d[0]!], NETWORK);
  });

  test('a gate with gelu is x Phi(x) of its sum', () => {
    const [expert] = makeExperts(1, {gated: true, activation: 'gelu', hiddenUnits: [1], units: 1, useBias: false}) as [
      FeedForwardExpert,
    ];
    expect(namesOf(expert)).toEqual(['kernel_0', 'gate_kernel_0', 'kernel_1']);
    // x W = 2 and x W_gate = 1 for x = (1, 0, 0): gelu(1) = Phi(1) = .8413447, times 2, times 3.
    const values = [tf.tensor2d([2, 0, 0], [3, 1]), tf.tensor2d([1, 0, 0], [3, 1]), tf.tensor2d([3], [1, 1])];
    variablesOf(expert).forEach((variable, i) => {
      variable.assign(values[i]!);
    });
    expectClose(expert.call(tf.tensor2d([[1, 0, 0]])), [0.8413447 * 2 * 3], NETWORK);
  });

  test('is rebuilt from its config, gates and biases as they were', () => {
    for (const [gated, useBias] of [
      [true, false],
      [false, true],
    ] as const) {
      const expert = new FeedForwardExpert({hiddenUnits: [2], activation: 'swish', gated, useBias});
      const copy = FeedForwardExpert.fromConfig(FeedForwardExpert as never, expert.getConfig()) as FeedForwardExpert;
      for (const layer of [expert, copy]) layer.build([null, WIDTH]);
      expect(copy.getConfig()).toEqual(expert.getConfig());
      expect(namesOf(copy)).toEqual(namesOf(expert));
    }
  });

  test('each kernel starts from a seed of its own, a gate not as the kernel beside it', () => {
    const asked: number[] = [];
    const expert = new FeedForwardExpert({
      hiddenUnits: [3, 3],
      activation: 'swish',
      gated: true,
      kernelSeed: index => {
        asked.push(index);
        return 7 + index;
      },
    });
    expert.build([null, WIDTH]);
    // Three kernels, then the gates of the two hidden layers: a plain expert has the seeds that it had before there were gates.
    expect(asked.sort()).toEqual([0, 1, 2, 3, 4]);
    const kernels = expert.weights.filter(({shape}) => shape.length === 2).map(weight => String(list(weight.read())));
    expect(new Set(kernels).size).toBe(5);
  });
});
