// The data sets and what a search looks up on them, for people.
// SPDX-License-Identifier: Apache-2.0
import type {Epochs, Space} from '../data/nas-bench-table.js';

/** What a search sees of a cell: its validation accuracy after the short training or after the full one. */
export type ObjectiveName = 'valid-12' | 'valid-200';

/** The data sets of the table, for people. */
export const SPACE_TITLES: Record<Space, string> = {
  cifar10: 'CIFAR-10',
  cifar100: 'CIFAR-100',
  imagenet16: 'ImageNet16-120',
};

/** What each objective looks up. */
export const OBJECTIVES: Record<ObjectiveName, {epochs: Epochs; title: string}> = {
  'valid-12': {epochs: 12, title: 'validation accuracy after 12 epochs'},
  'valid-200': {epochs: 200, title: 'validation accuracy after 200 epochs'},
};

/** What is searched, by what. */
export function describeProblem({space, objective}: {space: Space; objective: ObjectiveName}): string {
  return `${SPACE_TITLES[space]}, searched by ${OBJECTIVES[objective].title}`;
}
