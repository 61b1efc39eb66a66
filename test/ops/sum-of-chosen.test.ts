// The sum of what chosen operations give, and the gradient of the choice, against a loop over edges and operations.
import * as tf from '@tensorflow/tfjs-core';
import {expect, test} from 'vitest';
import {type OperationOutput, type SumOfChosenOptions, sumOfChosen} from '../../src/ops/sum-of-chosen.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

/** Sums of up to 24 products of numbers below 3. */
const ROUNDING = 1e-5;

const EDGES = 4;
const OPERATIONS = 3;
const SHAPE = [2, 3, 4];

/** [edge, operation], with the seed of its output; without one it gives zeros that nothing computed. */
type Entry = readonly [edge: number, operation: number, seed?: number];

interface Case {
  chosen: Entry[];
  others?: Entry[];
  unseen: SumOfChosenOptions['unseen'];
}

// Edge 2 is named in no case: it leads to another node.
const CHOSEN: Entry[] = [
  [0, 2, 11],
  [1, 0, 12],
  [3, 1, 13],
];
const OTHERS: Entry[] = [
  [0, 0, 21],
  [0, 1, 22],
  [1, 1, 23],
  [1, 2],
  [3, 0],
  [3, 2, 24],
];
const CASES: [string, Case][] = [
  ['what was not evaluated as zeros', {chosen: CHOSEN, unseen: 'zeros'}],
  ['what was not evaluated as ones', {chosen: CHOSEN, unseen: 'ones'}],
  ['all operations evaluated', {chosen: CHOSEN, others: OTHERS, unseen: 'zeros'}],
  ['some evaluated, and the rest as ones', {chosen: CHOSEN, others: OTHERS.slice(1, 4), unseen: 'ones'}],
  ['some evaluated, and the rest as zeros', {chosen: CHOSEN, others: OTHERS.slice(1, 4), unseen: 'zeros'}],
  ['a chosen one that gives zeros', {chosen: [[0, 0], CHOSEN[1]!], unseen: 'ones'}],
  ['chosen ones that all give zeros, and ones', {chosen: [[0, 0], [1, 2]], unseen: 'ones'}], // biome-ignore format: pairs
  ['chosen ones that all give zeros, and zeros', {chosen: [[0, 0], [1, 2]], unseen: 'zeros'}], // biome-ignore format: pairs
  ['one edge', {chosen: [[3, 2, 14]], unseen: 'ones'}],
];

const size = tf.util.sizeFromShape(SHAPE);
const valuesOf = (seed: number | undefined) =>
  seed === undefined ? new Array<number>(size).fill(0) : numbers(seed, size, -2, 3);
const outputOf = ([edge, operation, seed]: Entry): OperationOutput => ({
  edge,
  operation,
  output: seed === undefined ? undefined : tf.tensor(valuesOf(seed), SHAPE),
});
const oneHot = (chosen: Entry[]) => {
  const buffer = tf.buffer([EDGES, OPERATIONS], 'float32');
  for (const [edge, operation] of chosen) buffer.set(1, edge, operation);
  return buffer.toTensor() as tf.Tensor2D;
};

/** The gradient of the choice by the definition: <dy, output> of each operation, where that is known or stood for. */
function slowChoiceGradient({chosen, others = [], unseen}: Case, dy: number[]): number[] {
  const gradient = new Array<number>(EDGES * OPERATIONS).fill(0);
  for (const [edge] of chosen) {
    for (let operation = 0; operation < OPERATIONS; ++operation) {
      const known = [...chosen, ...others].find(([e, o]) => e === edge && o === operation);
      const output = known ? valuesOf(known[2]) : new Array<number>(size).fill(unseen === 'ones' ? 1 : 0);
      gradient[edge * OPERATIONS + operation] = dy.reduce((sum, d, i) => sum + d * output[i]!, 0);
    }
  }
  return gradient;
}

eachBackendAndKernels('sumOfChosen', () => {
  test.each(CASES)(
    'with %s: the value is the sum, and the gradients are those of a loop',
    (_, {chosen, others, unseen}) => {
      const outputs = chosen.map(outputOf);
      const evaluated = (others ?? []).map(outputOf);
      const computed = outputs.flatMap(({output}) => output ?? []);
      const weights = numbers(3, size);
      const f = (choice: tf.Tensor, ...values: tf.Tensor[]) => {
        let next = 0;
        const taped = outputs.map(entry => ({...entry, output: entry.output && values[next++]}));
        const sum = sumOfChosen(choice as tf.Tensor2D, taped, {shape: SHAPE, others: evaluated, unseen});
        const expected = Array.from({length: size}, (__, i) =>
          chosen.reduce((total, entry) => total + valuesOf(entry[2])[i]!, 0),
        );
        expect(sum.shape).toEqual(SHAPE);
        expectClose(sum, expected, ROUNDING);
        return tf.sum(tf.mul(sum, tf.tensor(weights, SHAPE))) as tf.Scalar;
      };
      const [choiceGradient, ...rest] = tf.grads(f)([oneHot(chosen), ...computed]);
      expect(choiceGradient!.shape).toEqual([EDGES, OPERATIONS]);
      expectClose(choiceGradient!, slowChoiceGradient({chosen, ...(others && {others}), unseen}, weights), ROUNDING);
      for (const gradient of rest) expectClose(gradient, weights, ROUNDING);
    },
  );

  test('what was evaluated and not chosen gets no gradient', () => {
    const other = tf.tensor(valuesOf(21), SHAPE);
    const f = (choice: tf.Tensor, x: tf.Tensor) => {
      const others = [{edge: 0, operation: 1, output: tf.mul(other, x)}];
      return tf.sum(
        sumOfChosen(choice as tf.Tensor2D, [outputOf([0, 0, 11])], {shape: SHAPE, others, unseen: 'zeros'}),
      );
    };
    const choice = oneHot([[0, 0]]);
    expect(() => tf.grads(f)([choice, tf.scalar(2)])).toThrow('Cannot compute gradient');
    const [gradient] = tf.grads((c: tf.Tensor) => f(c, tf.scalar(2)))([choice]);
    expectClose([list(gradient!)[1]!], [2 * valuesOf(21).reduce((a, b) => a + b)], ROUNDING);
  });

  test('one tensor that several edges hand on gets the gradient of each', () => {
    const f = (x: tf.Tensor) => {
      const chosen = [0, 1, 3].map(edge => ({edge, operation: 1, output: x}));
      return tf.sum(sumOfChosen(oneHot([[0, 1], [1, 1], [3, 1]]), chosen, {shape: SHAPE, unseen: 'ones'})); // biome-ignore format: pairs
    };
    expectClose(tf.grad(f)(tf.ones(SHAPE)), new Array(size).fill(3), 0);
  });

  test('without a choice it is the plain sum, a tensor of its own', () => {
    for (const chosen of [CHOSEN, CHOSEN.slice(0, 1), []]) {
      const outputs = chosen.map(outputOf);
      const sum = sumOfChosen(undefined, outputs, {shape: SHAPE, unseen: 'ones'});
      for (const {output} of outputs) output!.dispose();
      expectClose(sum, valuesOf(undefined).map((_, i) => chosen.reduce((total, [, , seed]) => total + valuesOf(seed)[i]!, 0)), ROUNDING); // biome-ignore format: one line
    }
  });

  test.each(CASES)('with %s it leaves nothing behind', (_, {chosen, others, unseen}) => {
    const outputs = chosen.map(outputOf);
    const evaluated = (others ?? []).map(outputOf);
    const choice = oneHot(chosen);
    const before = tf.memory().numTensors;
    const options = {shape: SHAPE, others: evaluated, unseen};
    sumOfChosen(choice, outputs, options).dispose();
    expect(tf.memory().numTensors).toBe(before);
    tf.grad((c: tf.Tensor) => tf.sum(sumOfChosen(c as tf.Tensor2D, outputs, options)))(choice).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
