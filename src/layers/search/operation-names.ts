// The names of the operations that an edge of a cell chooses from.
// SPDX-License-Identifier: Apache-2.0
import {show, ValueError} from '../../errors.js';

/** The operations of NAS-Bench-201, in its order. */
export const NAS_BENCH_201_OPERATIONS = [
  'none',
  'skip_connect',
  'nor_conv_1x1',
  'nor_conv_3x3',
  'avg_pool_3x3',
] as const;

/** The name of an operation of NAS-Bench-201. */
export type NasBenchOperation = (typeof NAS_BENCH_201_OPERATIONS)[number];

/** An operation, of which only the name is wanted. */
export interface NamedOperation {
  /** Letters, digits, `_` and `-`, a letter first. */
  name: string;
}

/** Whether a name is one of NAS-Bench-201. */
export function isNasBench201(name: string): name is NasBenchOperation {
  return NAS_BENCH_201_OPERATIONS.includes(name as never);
}

// What tfjs takes as part of a weight's name.
const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;

/** The names in a list of operations; refuses an empty one, a name that no weight could bear, and one that is there twice. */
export function operationNamesOf(owner: string, operations: readonly (string | NamedOperation)[]): string[] {
  if (!Array.isArray(operations) || operations.length === 0) {
    throw new ValueError(`${owner}: operations must be a list of one or more, but got ${show(operations)}.`);
  }
  const names = operations.map((operation: string | NamedOperation, i) => {
    const name = typeof operation === 'string' ? operation : operation?.name;
    if (typeof name !== 'string' || !NAME.test(name)) {
      throw new ValueError(
        `${owner}: operations[${i}] must have a name of letters, digits, "_" and "-", a letter first, but got ${show(name)}.`,
      );
    }
    return name;
  });
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new ValueError(`${owner}: operations must have names of their own, but ${show(twice)} is there twice.`);
  }
  return names;
}
