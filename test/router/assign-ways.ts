// The two ways of the assignment, from lists to lists, and random cases for both.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {unseeded} from '../../src/random/random-source.js';
import {assignOnHost} from '../../src/router/assign.js';
import {assignOnDevice} from '../../src/router/assign-on-device.js';
import type {AssignmentOrder, AssignRequest} from '../../src/router/assign-request.js';
import type {Assignment} from '../../src/router/types.js';
import {hostWays} from '../support/device.js';
import {injected} from '../support/injected.js';
import {numCases} from '../support/long-tests.js';
import type {Rows} from './reference.js';
import {type SlowCase, slowCases} from './slow-assign.js';

/** Random cases are the same in each run. */
const PROPERTY = {seed: 20260401, numRuns: numCases(40)};
export const ORDERS: AssignmentOrder[] = ['position', 'priority', 'random', 'probability'];

export const WAYS = [
  ...hostWays('the loop on the host', ['the loop on the host', assignOnHost] as const),
  ['cumulative sums on the device', assignOnDevice],
] as const;
export type Way = typeof assignOnDevice;

export const matrix = (rows: Rows, dtype: 'int32' | 'float32' = 'int32') =>
  tf.tensor2d(rows.flat(), [rows.length, rows[0]!.length], dtype);
export const rows = (x: tf.Tensor2D) => x.arraySync();

/** Runs one way, with the tensors of a case. */
export function run(way: Way, given: Partial<SlowCase> & Pick<SlowCase, 'indices' | 'numExperts'>): Assignment {
  const {indices, numExperts, capacity, order = 'position', weights, uniforms} = given;
  const request: AssignRequest = {
    capacity,
    order,
    weights: weights && matrix(weights, 'float32'),
    random: uniforms ? injected(uniforms) : unseeded(),
  };
  return way(matrix(indices), numExperts, request);
}

/** The experts and places, as lists. */
export const lists = ({experts, positions}: Assignment) => ({experts: rows(experts), positions: rows(positions)});

/** [token, expert, place] of what was kept, token by token and in a token expert by expert. */
export function kept(assignment: Assignment): number[][] {
  const {experts, positions} = lists(assignment);
  const triples = experts.flatMap((row, t) => row.map((e, k) => [t, e, positions[t]![k]!]));
  return triples.filter(([, e]) => e! >= 0).sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!);
}

/** Checks a law on random cases, each in a scope of its own. */
export function everyCase(law: (given: SlowCase) => void, orders = ORDERS): void {
  const cases = fc.record({given: slowCases, order: fc.constantFrom(...orders)});
  fc.assert(
    fc.property(cases, ({given, order}) => {
      tf.tidy(() => {
        law({...given, order});
      });
    }),
    PROPERTY,
  );
}
