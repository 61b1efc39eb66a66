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
  load?: () => Promise<LabModule>;
}

const modules = import.meta.glob<LabModule>('./{estimators,experts,codes}/index.{ts,tsx}');

const loadOf = (name: string) => modules[`./${name}/index.tsx`] ?? modules[`./${name}/index.ts`];

export const LABS: readonly [Lab, ...Lab[]] = [
  {name: 'estimators', title: 'Estimators', load: loadOf('estimators')},
  {name: 'experts', title: 'Experts', load: loadOf('experts')},
  {name: 'codes', title: 'Codes', load: loadOf('codes')},
];
