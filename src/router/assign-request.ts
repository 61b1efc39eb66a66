// What an assignment is asked for.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import type {RandomSource} from '../random/random-source.js';

/** Which choices come first where an expert has fewer places than choices; see `assign`. */
export type AssignmentOrder = 'position' | 'probability' | 'random' | 'priority';

/** The names of the orders. */
export const ASSIGNMENT_ORDERS: readonly AssignmentOrder[] = ['position', 'probability', 'random', 'priority'];

/** What is left of the options once they are checked. */
export interface AssignRequest {
  capacity: number | undefined;
  order: AssignmentOrder;
  weights: tf.Tensor2D | undefined;
  random: RandomSource;
}
