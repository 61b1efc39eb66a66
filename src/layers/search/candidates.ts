// The operations that an edge of a cell chooses from: those of NAS-Bench-201 by name, and layers of one's own.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../../errors.js';
import {deserializeLayer, type SavedLayer, serializeLayer} from '../child-layers.js';
import {convolutionBlock} from '../convolution-block.js';
import {isNasBench201, NAS_BENCH_201_OPERATIONS, type NasBenchOperation, operationNamesOf} from './operation-names.js';

/** An operation of one's own. */
export interface CandidateOperation {
  /** Letters, digits, `_` and `-`, a letter first; stands in the weights' names and in the architecture's string. */
  name: string;
  /** A layer, or several to be applied in turn. Each edge gets a copy with weights of its own (those of the layer, where it is built). */
  layer: tfl.layers.Layer | readonly tfl.layers.Layer[];
}

/** What an edge may do, as an argument: a name of NAS-Bench-201 or an operation of one's own. */
export type OperationIdentifier = NasBenchOperation | CandidateOperation;

/** An operation with its layers to copy; undefined for one of NAS-Bench-201. */
export interface Candidate {
  name: string;
  templates: readonly tfl.layers.Layer[] | undefined;
}

/** The form of an operation in a saved layer. tfjs changes the spelling of strings, but not of those under `name`. */
export interface SavedOperation {
  name: string;
  layers?: SavedLayer[];
}

const OWNER = 'SearchCell';

/** Checks a list of operations. */
export function resolveCandidates(owner: string, operations: readonly OperationIdentifier[]): Candidate[] {
  operationNamesOf(owner, operations);
  return operations.map((operation, i) => {
    if (typeof operation === 'string' || !('layer' in operation)) return namedCandidate(owner, operation, i);
    const {name, layer} = operation;
    const templates: unknown[] = Array.isArray(layer) ? layer : [layer];
    if (templates.length === 0 || !templates.every(template => template instanceof tfl.layers.Layer)) {
      throw new ValueError(
        `${owner}: operations[${i}].layer must be a tfjs layer or a list of one or more, but got ${show(layer)}.`,
      );
    }
    if (isNasBench201(name)) {
      throw new ValueError(`${owner}: operations[${i}].name must be none of NAS-Bench-201's, but got ${show(name)}.`);
    }
    return {name, templates: templates as tfl.layers.Layer[]};
  });
}

function namedCandidate(owner: string, operation: string | {name: string}, index: number): Candidate {
  const name = typeof operation === 'string' ? operation : operation.name;
  if (!isNasBench201(name)) {
    throw new ValueError(
      `${owner}: operations[${index}] must be one of ${NAS_BENCH_201_OPERATIONS.map(show).join(', ')}, or {name, layer}, ` +
        `but got ${show(operation)}.`,
    );
  }
  return {name, templates: undefined};
}

/**
 * New layers for an operation on an edge, unbuilt, to be applied in turn: none for 'skip_connect'. Not for 'none'.
 *
 * @param channels The last axis of what comes along the edge.
 * @param affine Whether batch normalization learns a scale and a shift.
 * @param seed Of what the operations of NAS-Bench-201 initialize.
 */
export function makeLayers(
  {name, templates}: Candidate,
  {channels, affine, seed}: {channels: number; affine: boolean; seed: number | undefined},
): tfl.layers.Layer[] {
  if (templates !== undefined) {
    return templates.map(layer => deserializeLayer(OWNER, 'operations', serializeLayer(layer)));
  }
  const block = (kernelSize: number) => convolutionBlock({filters: channels, kernelSize, affine, seed});
  switch (name as NasBenchOperation) {
    case 'nor_conv_1x1':
      return [block(1)];
    case 'nor_conv_3x3':
      return [block(3)];
    case 'avg_pool_3x3':
      return [tfl.layers.averagePooling2d({poolSize: 3, strides: 1, padding: 'same'})]; // padding does not count, as in NAS-Bench-201
    default:
      return [];
  }
}

/** Whether an operation gives zeros whatever comes in. */
export function isNone({name, templates}: Candidate): boolean {
  return templates === undefined && name === 'none';
}

/** The saved form of operations. */
export function serializeCandidates(candidates: readonly Candidate[]): SavedOperation[] {
  return candidates.map(({name, templates}) => ({
    name,
    ...(templates && {layers: templates.map(serializeLayer)}),
  }));
}

/** Operations as arguments, from their saved form. */
export function deserializeCandidates(saved: readonly SavedOperation[]): OperationIdentifier[] {
  return saved.map(({name, layers}) => {
    if (layers === undefined) return name as NasBenchOperation;
    return {name, layer: layers.map(layer => deserializeLayer(OWNER, 'operations', layer))};
  });
}
