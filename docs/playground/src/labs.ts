// The labs, in the order of the tabs; each is loaded when its tab is first opened.
// SPDX-License-Identifier: Apache-2.0
import type {ComponentType} from 'preact';

/** A lab's module: its default export takes no props. */
export interface LabModule {
  default: ComponentType;
}

/** A tab of the page. */
export interface Lab {
  /** The location's hash. */
  name: string;
  title: string;
  load: () => Promise<LabModule>;
}

export const LABS: readonly [Lab, ...Lab[]] = [
  {name: 'estimators', title: 'Estimators', load: () => import('./estimators/index.js')},
  {name: 'experts', title: 'Experts', load: () => import('./experts/index.js')},
  {name: 'codes', title: 'Codes', load: () => import('./codes/index.js')},
];
