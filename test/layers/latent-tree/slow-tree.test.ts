// The oracle of latent trees against itself: hand-made numbers, and finite differences where its gradient is the exact one.
// SPDX-License-Identifier: Apache-2.0
import {expect, test} from 'vitest';
import {expectClose} from '../../support/expect-close.js';
import {
  compose,
  drawnMerges,
  floats,
  greedyMerges,
  mergeSequences,
  randomLeaves,
  randomWeights,
  type SlowTreeInputs,
  scoreOf,
  sigmoid,
  slowTree,
  softmax,
  weightedSequences,
} from '../../support/slow-tree.js';
import {
  type Choose,
  flatInputs,
  meanGradient,
  noChoiceGradient,
  oneHotChoices,
  slowReinmax,
  slowStraightThrough,
  softTree,
  treeGradient,
  unflatInputs,
} from '../../support/slow-tree-gradient.js';

const EXACT = 1e-14;
/** Central differences of step 1e-5 in float64: 1e-11 of rounding divided by the step's 1e-5, and 1e-10 of the third derivative. */
const DIFFERENCES = 1e-8;

const UNITS = 3;
const weights = randomWeights(1, UNITS);
const leaves = randomLeaves(2, 5, UNITS);
const target = floats(3, UNITS);

const loss = (hidden: number[]) => hidden.reduce((sum, h, k) => sum + (h - target[k]!) ** 2 + h ** 3, 0);
const lossGradient = (hidden: number[]) => hidden.map((h, k) => 2 * (h - target[k]!) + 3 * h ** 2);

/** d of / d each number of the inputs, by central differences. */
function differences(inputs: SlowTreeInputs, of: (inputs: SlowTreeInputs) => number): number[] {
  const step = 1e-5;
  const flat = flatInputs(inputs);
  const at = (values: number[]) => of(unflatInputs(values, inputs.leaves.length, UNITS));
  const shifted = (i: number, by: number) => flat.map((value, j) => (i === j ? value + by : value));
  return flat.map((_, i) => (at(shifted(i, step)) - at(shifted(i, -step))) / (2 * step));
}

test('the gates of a merge are i, fl, fr, u, o, with 1 added to both forget gates', () => {
  // One unit, no kernel: the gates are the bias.
  const bias = [0.1, 0.2, -0.3, 0.4, -0.5];
  const made = compose(
    {hidden: [9], cell: [2]},
    {hidden: [-9], cell: [-3]},
    {kernel: new Array(10).fill(0), bias, query: [1]},
  );
  const cell = 2 * sigmoid(1.2) - 3 * sigmoid(0.7) + Math.tanh(0.4) * sigmoid(0.1);
  expectClose(made.cell, [cell], EXACT);
  expectClose(made.hidden, [sigmoid(-0.5) * Math.tanh(cell)], EXACT);
});

test('a column of the kernel is a gate and in it a unit, a row a unit of the left child and then of the right', () => {
  // Two units. Of the 4 rows and 10 columns only one entry is not 0: row 2, unit 0 of the right child; column 7, unit 1 of u.
  const kernel = Array.from({length: 40}, (_, i) => (i === 2 * 10 + 7 ? 0.5 : 0));
  const none = [0, 0];
  const made = compose(
    {hidden: [1, 2], cell: none},
    {hidden: [3, 4], cell: none},
    {kernel, bias: new Array(10).fill(0), query: none},
  );
  expectClose(made.cell, [0, Math.tanh(3 * 0.5) / 2], EXACT); // sigmoid(i) = 1/2
});

test('a score is query . hidden over the root of the number of units', () => {
  expectClose(
    [scoreOf({hidden: [1, 2, 3, 4], cell: []}, {kernel: [], bias: [], query: [1, -1, 2, 1]})],
    [9 / 2],
    EXACT,
  );
});

test('merges 0, 1, 0 of four leaves join a with b, then c with d, then both', () => {
  const [a, b, c, d] = leaves as [(typeof leaves)[0], (typeof leaves)[0], (typeof leaves)[0], (typeof leaves)[0]];
  const [ab, bc, cd] = [compose(a, b, weights), compose(b, c, weights), compose(c, d, weights)];
  const {hidden, scores} = slowTree([a, b, c, d], weights, [0, 1, 0]);
  const root = compose(ab, cd, weights);
  expectClose(hidden, root.hidden, EXACT);
  const expected = [[ab, bc, cd], [compose(ab, c, weights), cd], [root]].map(of =>
    of.map(made => scoreOf(made, weights)),
  );
  expect(scores.map(of => of.length)).toEqual([3, 2, 1]);
  expectClose(scores.flat(), expected.flat(), EXACT);
});

test('the root of one leaf is that leaf', () => {
  expect(slowTree(leaves.slice(0, 1), weights, [])).toEqual({hidden: leaves[0]!.hidden, scores: []});
  expect(greedyMerges(leaves.slice(0, 1), weights)).toEqual([]);
});

test('greedy merges have the highest score of each step', () => {
  const merges = greedyMerges(leaves, weights);
  const {scores} = slowTree(leaves, weights, merges);
  expect(merges.map((merge, step) => scores[step]![merge])).toEqual(scores.map(of => Math.max(...of)));
  expect(new Set(merges).size).toBeGreaterThan(1); // or a constant would do
});

test('the sequences of four leaves are the six of three, two and one choices, and their probabilities sum to 1', () => {
  expect(mergeSequences(4)).toEqual([
    [0, 0, 0],
    [0, 1, 0],
    [1, 0, 0],
    [1, 1, 0],
    [2, 0, 0],
    [2, 1, 0],
  ]);
  expect(mergeSequences(6)).toHaveLength(120);
  const all = weightedSequences(leaves, weights);
  expectClose([all.reduce((sum, {probability}) => sum + probability, 0)], [1], EXACT);
  const {scores} = slowTree(leaves, weights, [1, 2, 0, 0]);
  const ofOne = all.find(({merges}) => merges.join() === '1,2,0,0')!;
  expectClose(
    [ofOne.probability],
    [softmax(scores[0]!)[1]! * softmax(scores[1]!)[2]! * softmax(scores[2]!)[0]!],
    EXACT,
  );
});

test('uniforms on a grid draw each sequence as often as is probable', () => {
  const [three, side] = [leaves.slice(0, 3), 500];
  const draws = Array.from({length: side}, (_, i) => drawnMerges(three, weights, [(i + 0.5) / side, 0.5])[0]);
  const expected = weightedSequences(three, weights)[0]!.probability;
  expectClose([draws.filter(merge => merge === 0).length / side], [expected], 1 / side);
});

test('a one-hot choice at each step makes the tree of those merges', () => {
  for (const merges of mergeSequences(5)) {
    expectClose(softTree(leaves, weights, oneHotChoices(merges)), slowTree(leaves, weights, merges).hidden, EXACT);
  }
});

test('with no gradient for the choice, the gradient is the finite difference of the tree with these merges', () => {
  for (const merges of [
    [0, 0, 0, 0],
    [3, 2, 1, 0],
    [1, 0, 1, 0],
    [2, 1, 0, 0],
  ]) {
    const gradient = treeGradient(leaves, weights, oneHotChoices(merges), lossGradient, noChoiceGradient);
    const expected = differences({leaves, weights}, of => loss(slowTree(of.leaves, of.weights, merges).hidden));
    expectClose(flatInputs(gradient), expected, DIFFERENCES);
  }
});

test('with a soft choice and its own Jacobian, the gradient is the finite difference of the soft tree', () => {
  for (const temperature of [0.7, 1, 2]) {
    const choose: Choose = scores => softmax(scores, temperature);
    const gradient = treeGradient(leaves, weights, choose, lossGradient, slowStraightThrough(temperature));
    const expected = differences({leaves, weights}, of => loss(softTree(of.leaves, of.weights, choose)));
    expectClose(flatInputs(gradient), expected, DIFFERENCES);
  }
});

test('the mean of the score-function gradient is the finite difference of the expected loss', () => {
  // d E[L] = E[dL with the merges fixed + L d log P(merges)], and d log P / d scores is the one-hot minus softmax at each step.
  const four = leaves.slice(0, 4);
  let last = 0;
  const gradient = meanGradient(
    four,
    weights,
    hidden => {
      last = loss(hidden);
      return lossGradient(hidden);
    },
    (scores, chosen) => softmax(scores).map((p, k) => last * ((k === chosen ? 1 : 0) - p)),
  );
  const expectedLoss = (of: SlowTreeInputs) =>
    weightedSequences(of.leaves, of.weights).reduce(
      (sum, {merges, probability}) => sum + probability * loss(slowTree(of.leaves, of.weights, merges).hidden),
      0,
    );
  expectClose(flatInputs(gradient), differences({leaves: four, weights}, expectedLoss), DIFFERENCES);
});

test('the gradients of the choice are those of an independent program', () => {
  const [scores, g] = [
    [0.5, -1, 0.25, 1.5],
    [1, -2, 0.5, 3],
  ];
  const PRINTED = 1e-12; // twelve decimals
  const straightThrough = [-0.350175945423, -0.050459116501, -0.279446686333, 0.680081748257];
  expectClose(slowStraightThrough(0.5)(scores, 0, g), straightThrough, PRINTED);
  const atOne = [0.052963714157, -0.05908901011, -0.713726212852, 0.719851508805];
  expectClose(slowReinmax(1)(scores, 2, g), atOne, PRINTED);
  const above = [0.367168739313, -1.886481093934, 0.243669814376, 1.275642540245];
  expectClose(slowReinmax(1.3)(scores, 1, g), above, PRINTED);
});

test('a choice of one gets no gradient', () => {
  expectClose([...slowStraightThrough(0.5)([2], 0, [3]), ...slowReinmax(1.3)([2], 0, [3])], [0, 0], EXACT);
});
