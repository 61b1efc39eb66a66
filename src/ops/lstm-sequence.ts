// An LSTM over a sequence as one op: forward and backward through time in closed form (Hochreiter and Schmidhuber 1997, Gers et al. 2000).
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkShape, show, ValueError} from '../errors.js';

/** What the steps leave to the gradient, as rows [T B, U], one step after another. */
const FIELDS = ['inputs', 'forgets', 'updates', 'outputs', 'cells', 'tanhCells', 'hiddens'] as const;
type Steps = Record<(typeof FIELDS)[number], tf.Tensor2D>;

/**
 * Runs an LSTM from a state of zeros: with [i, f, u, o] = projected_t + hidden_(t-1) . recurrentKernel,
 * cell_t = sigmoid(f) cell_(t-1) + sigmoid(i) tanh(u) and hidden_t = sigmoid(o) tanh(cell_t).
 *
 * One custom gradient for both inputs. A step costs one product of [B, U] with the kernel forward and one of [B, 4 U] with its transpose
 * backward; the gradient of the kernel is one product over all steps. Second derivatives are not supported.
 *
 * @param projected float32 [T, B, 4 U], T >= 1: what the inputs of each step give to the gates, biases included (a forget bias of 1 is
 *   usual). Gates in the order of Keras: input, forget, update (there: cell), output.
 * @param recurrentKernel float32 [U, 4 U].
 * @returns float32 [T, B, 2 U], owned by the caller: hidden, then cell, after each step.
 * @throws ValueError if the shapes do not fit, or there is no step or no unit.
 * @see Hochreiter and Schmidhuber, Long Short-Term Memory, 1997. https://doi.org/10.1162/neco.1997.9.8.1735
 * @example
 * lstmSequence(tf.zeros([7, 2, 12]), tf.zeros([3, 12])).shape; // => [7, 2, 6]
 */
export function lstmSequence(projected: tf.Tensor3D, recurrentKernel: tf.Tensor2D): tf.Tensor3D {
  const owner = 'lstmSequence';
  checkShape(owner, 'recurrentKernel', recurrentKernel.shape, [null, 4 * recurrentKernel.shape[0]], '[U, 4 U]');
  const [units, width] = recurrentKernel.shape;
  checkShape(owner, 'projected', projected.shape, [null, null, width], '[T, B, 4 U]');
  const [numSteps, batch] = projected.shape;
  if (numSteps === 0 || units === 0) {
    throw new ValueError(
      `${owner}: projected must have at least one step and one unit, but its shape [T, B, 4 U] is ${show(projected.shape)}.`,
    );
  }
  const op = tf.customGrad((...args) => {
    const [gates, kernel, save] = args as unknown as [tf.Tensor3D, tf.Tensor2D, tf.GradSaveFunc];
    if (batch === 0) {
      return {
        value: tf.zeros<tf.Rank.R3>([numSteps, 0, 2 * units]),
        gradFunc: () => [tf.zeros([numSteps, 0, width]), tf.zeros([units, width])],
      };
    }
    const steps = forward(gates, kernel);
    save([kernel, ...FIELDS.map(field => steps[field])]);
    return {
      value: tf.reshape<tf.Rank.R3>(tf.concat2d([steps.hiddens, steps.cells], 1), [numSteps, batch, 2 * units]),
      gradFunc: (dy: tf.Tensor3D, [kernel, ...saved]: tf.Tensor[]) => {
        const steps = Object.fromEntries(FIELDS.map((field, i) => [field, saved[i]])) as Steps;
        return backward(dy, kernel as tf.Tensor2D, steps);
      },
    };
  });
  return op(projected, recurrentKernel) as tf.Tensor3D;
}

/** All steps, one after another. */
function forward(projected: tf.Tensor3D, kernel: tf.Tensor2D): Steps {
  const lists: Record<keyof Steps, tf.Tensor2D[]> = {
    inputs: [],
    forgets: [],
    updates: [],
    outputs: [],
    cells: [],
    tanhCells: [],
    hiddens: [],
  };
  return tf.tidy(() => {
    const [numSteps, batch, width] = projected.shape;
    splitSteps(tf.reshape(projected, [numSteps * batch, width]), numSteps).forEach((fromInput, t) => {
      const [hidden, cell] = [lists.hiddens[t - 1], lists.cells[t - 1]]; // none before the first step: zeros
      const step = tf.tidy(() => {
        const sum = hidden ? tf.add(fromInput, tf.matMul(hidden, kernel)) : fromInput;
        const [i, f, u, o] = tf.split(sum, 4, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
        const [inputs, forgets, updates, outputs] = [tf.sigmoid(i), tf.sigmoid(f), tf.tanh(u), tf.sigmoid(o)];
        const added = tf.mul<tf.Tensor2D>(inputs, updates);
        const cells = cell ? tf.add<tf.Tensor2D>(tf.mul(forgets, cell), added) : added;
        const tanhCells = tf.tanh(cells);
        return {inputs, forgets, updates, outputs, cells, tanhCells, hiddens: tf.mul<tf.Tensor2D>(outputs, tanhCells)};
      });
      for (const field of FIELDS) lists[field].push(step[field]);
    });
    return Object.fromEntries(FIELDS.map(field => [field, tf.concat2d(lists[field], 0)])) as Steps;
  });
}

/**
 * The gradients of projected and kernel.
 *
 * What of them does not come from later steps is made for all steps at once: with gate' a gate's derivative by its sum,
 * d sums = [d cell, d cell, d cell, d hidden] * [update input', cell_(t-1) forget', input update', tanh(cell) output'].
 */
function backward(dy: tf.Tensor3D, kernel: tf.Tensor2D, steps: Steps): [tf.Tensor3D, tf.Tensor2D] {
  const [numSteps, batch] = dy.shape;
  const [units, width] = kernel.shape;
  const numLater = (numSteps - 1) * batch; // rows of all steps but the first
  return tf.tidy(() => {
    const transposed = tf.transpose<tf.Tensor2D>(kernel); // once: a product that transposes is slow on some backends
    const factors = splitSteps(factorsOfSums(steps, batch), numSteps);
    const hiddenToCell = tf.tidy(() => splitSteps(tf.mul(steps.outputs, slopeOfTanh(steps.tanhCells)), numSteps));
    const forgets = splitSteps(steps.forgets, numSteps);
    const [dHiddens, dCells] = tf
      .split(tf.reshape<tf.Rank.R2>(dy, [numSteps * batch, 2 * units]), 2, 1)
      .map(rows => splitSteps(rows as tf.Tensor2D, numSteps)) as [tf.Tensor2D[], tf.Tensor2D[]];

    const dSums: tf.Tensor2D[] = [];
    let carried: tf.Tensor2D[] = []; // d hidden and d cell by way of the steps after
    for (let t = numSteps - 1; t >= 0; --t) {
      const [dSum, ...carry] = tf.tidy(() => {
        const [fromHidden, fromCell] = carried;
        const dHidden = fromHidden ? tf.add<tf.Tensor2D>(dHiddens[t]!, fromHidden) : dHiddens[t]!;
        const own = tf.add<tf.Tensor2D>(dCells[t]!, tf.mul(dHidden, hiddenToCell[t]!));
        const dCell = fromCell ? tf.add<tf.Tensor2D>(own, fromCell) : own;
        const sums = tf.mul<tf.Tensor2D>(tf.concat2d([dCell, dCell, dCell, dHidden], 1), factors[t]!);
        return t === 0 ? [sums] : [sums, tf.matMul(sums, transposed), tf.mul<tf.Tensor2D>(dCell, forgets[t]!)];
      });
      tf.dispose(carried);
      carried = carry;
      dSums[t] = dSum!;
    }

    const all = tf.concat2d(dSums, 0);
    const dProjected = tf.reshape<tf.Rank.R3>(all, [numSteps, batch, width]);
    if (numSteps === 1) return [dProjected, tf.zeros<tf.Rank.R2>([units, width])]; // its hidden vector was zeros
    const hiddensBefore = tf.slice2d(steps.hiddens, [0, 0], [numLater, units]);
    const dKernel = tf.matMul(tf.transpose(hiddensBefore), tf.slice2d(all, [batch, 0], [numLater, width]));
    return [dProjected, dKernel as tf.Tensor2D];
  });
}

/** [T B, 4 U]: what d cell, and for the output gate d hidden, is multiplied by. */
function factorsOfSums({inputs, forgets, updates, outputs, cells, tanhCells}: Steps, batch: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [rows, units] = cells.shape;
    const start = tf.zeros<tf.Rank.R2>([batch, units]);
    const cellsBefore =
      rows === batch ? start : tf.concat2d([start, tf.slice2d(cells, [0, 0], [rows - batch, units])], 0);
    const factors = [
      tf.mul(updates, slopeOfSigmoid(inputs)),
      tf.mul(cellsBefore, slopeOfSigmoid(forgets)),
      tf.mul(inputs, slopeOfTanh(updates)),
      tf.mul(tanhCells, slopeOfSigmoid(outputs)),
    ];
    return tf.concat2d(factors as tf.Tensor2D[], 1);
  });
}

/** The rows of each step. */
function splitSteps(rows: tf.Tensor2D, numSteps: number): tf.Tensor2D[] {
  return tf.split(rows, numSteps, 0) as tf.Tensor2D[];
}

/** The derivative of sigmoid where it is y. */
function slopeOfSigmoid(y: tf.Tensor2D): tf.Tensor2D {
  return tf.mul(y, tf.sub(1, y));
}

/** The derivative of tanh where it is y. */
function slopeOfTanh(y: tf.Tensor2D): tf.Tensor2D {
  return tf.sub(1, tf.square(y));
}
