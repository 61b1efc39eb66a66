// Layers as experts of a layer: named, built, saved and rebuilt by their position.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';

/** Marks a layer that is an expert: two owners would train it twice a step, and each save and dispose it. */
const OWNED = Symbol.for('tfjs-moe.expert');

/** The name of an expert within its layer. */
export const expertName = (index: number) => `expert_${index}`;

/** Takes a layer as the expert of a number. */
export function ownExpert(expert: tfl.layers.Layer, index: number): void {
  expert.name = expertName(index);
  Object.defineProperty(expert, OWNED, {value: true});
}

/** The width of a built expert's output for rows of a width; refuses an expert that does not map rows to rows. */
export function expertUnits(index: number, expert: tfl.layers.Layer, width: number): number {
  // Of a model only the graph says the shapes: a Sequential cannot compute them.
  const isModel = expert instanceof tfl.LayersModel;
  const inputShapes = isModel ? expert.inputs.map(input => input.shape) : [[null, expectedWidth(expert) ?? width]];
  if (inputShapes.length !== 1 || inputShapes[0]!.length !== 2 || inputShapes[0]![1] !== width) {
    throw new ValueError(
      `GumbelMoE: experts[${index}] must take rows [n, ${width}], but it takes inputs of shape ${show(inputShapes)}.`,
    );
  }
  const outputShapes = isModel ? expert.outputs.map(output => output.shape) : outputShapesOf(expert, width);
  const units = outputShapes[0]![1];
  if (outputShapes.length !== 1 || outputShapes[0]!.length !== 2 || typeof units !== 'number') {
    throw new ValueError(
      `GumbelMoE: experts[${index}] must map rows [n, ${width}] to rows [n, units], but its output shapes are ${show(outputShapes)}.`,
    );
  }
  return units;
}

/** The width that a layer which was built before demands, where it says so. */
function expectedWidth(expert: tfl.layers.Layer): number | undefined {
  return expert.inputSpec?.[0]?.axes?.[-1];
}

function outputShapesOf(expert: tfl.layers.Layer, width: number): tfl.Shape[] {
  const shapes = expert.computeOutputShape([null, width]);
  return (Array.isArray(shapes[0]) ? shapes : [shapes]) as tfl.Shape[];
}

/** Refuses what is no list of numExperts different layers. */
export function checkExperts(experts: tfl.layers.Layer[], numExperts: number): readonly tfl.layers.Layer[] {
  if (!Array.isArray(experts) || experts.length !== numExperts) {
    const got = Array.isArray(experts) ? `${experts.length}` : show(experts);
    throw new ValueError(`GumbelMoE: experts must be a list of numExperts (=${numExperts}) layers, but got ${got}.`);
  }
  experts.forEach((expert, i) => {
    if (!(expert instanceof tfl.layers.Layer)) {
      throw new ValueError(`GumbelMoE: experts[${i}] must be a tfjs layer or model, but got ${show(expert)}.`);
    }
    if (expert.stateful) {
      throw new ValueError(
        `GumbelMoE: experts[${i}] keeps a state from row to row, but an expert must map each row by itself.`,
      );
    }
    if (OWNED in expert) {
      throw new ValueError(
        `GumbelMoE: experts[${i}] already is an expert of another layer. Give each layer experts of its own.`,
      );
    }
  });
  if (new Set(experts).size !== experts.length) {
    throw new ValueError(`GumbelMoE: experts must be different layers, but one is in the list twice.`);
  }
  return [...experts];
}

/**
 * Refuses an expert with a batch normalization somewhere in it. Of a batch an expert sees the rows that were sent to it alone: their mean and
 * deviation say what the router chose, and for a single row they are that row and 0.
 */
export function refuseBatchStatistics(expert: tfl.layers.Layer, index: number): void {
  const seen = new Set<unknown>();
  const search = (part: unknown): void => {
    if (!(part instanceof tfl.layers.Layer) || seen.has(part)) return;
    seen.add(part);
    if (part.getClassName() === 'BatchNormalization') {
      throw new ValueError(
        `GumbelMoE: experts[${index}] must not normalize by statistics of the batch with compute: 'sparse', since it sees a varying part ` +
          `of each batch, but holds "${part.name}". Use layer normalization.`,
      );
    }
    // Models and wrappers hold layers in fields, and so does a layer of one's own.
    for (const field of Object.values(part)) (Array.isArray(field) ? field : [field]).forEach(search);
  };
  search(expert);
}
