// What the table of NAS-Bench-201 says of a cell.
// SPDX-License-Identifier: Apache-2.0
import type {NasBenchTable, Space} from '../data/nas-bench-table.js';

/** The data sets of the table, with their names in prose. */
export const SPACES: Record<Space, string> = {cifar10: 'CIFAR-10', cifar100: 'CIFAR-100', imagenet16: 'ImageNet16-120'};

/** How good a cell is, by the table: of networks trained for 200 epochs, in percent. */
export type TableAccuracies = Record<Space, {valid: number; test: number}>;

/** The same, and where the cell stands among all. */
export interface TableVerdict {
  /** The official index. */
  index: number;
  accuracies: TableAccuracies;
  /** Of the test accuracies, 1 for the best of 15,625. */
  rank: Record<Space, number>;
  /** The best test accuracy minus the cell's, in points of percent. */
  regret: Record<Space, number>;
}

/** Looks a cell up. */
export function accuraciesOf(table: NasBenchTable, choices: readonly number[]): TableAccuracies {
  const index = table.indexOf(choices);
  return perSpace(space => ({
    valid: table.accuracy(index, space, 'valid'),
    test: table.accuracy(index, space, 'test'),
  }));
}

/** Looks a cell up, and compares it with all others. */
export function judge(table: NasBenchTable, choices: readonly number[]): TableVerdict {
  const index = table.indexOf(choices);
  return {
    index,
    accuracies: accuraciesOf(table, choices),
    rank: perSpace(space => table.rank(index, space, 'test')),
    regret: perSpace(space => table.regret(index, space, 'test')),
  };
}

function perSpace<Value>(of: (space: Space) => Value): Record<Space, Value> {
  return {cifar10: of('cifar10'), cifar100: of('cifar100'), imagenet16: of('imagenet16')};
}
