// The programs, by their names.
// SPDX-License-Identifier: Apache-2.0
import type {Command} from 'commander';

/** A row of the table of programs. */
export interface Program {
  name: string;
  summary: string;
  /** Loads the module, which brings TensorFlow.js with it: only the program that runs is loaded. */
  load(): Promise<{createCommand(): Command}>;
}

/** All programs, in alphabetical order. */
export const PROGRAMS: readonly Program[] = [
  {
    name: 'bernoulli-vae',
    summary: 'binary images coded by 200 bits: the estimators of both families compared',
    load: () => import('./bernoulli-vae/index.js'),
  },
  {
    name: 'gradient-quality',
    summary: 'the gradients of the estimators against the exact one, in a VAE of digits',
    load: () => import('./gradient-quality/index.js'),
  },
  {
    name: 'gumbel-rao-vae',
    summary: 'binarised digits coded by categorical variables, as in the Gumbel-Rao paper',
    load: () => import('./gumbel-rao-vae/index.js'),
  },
  {
    name: 'listops',
    summary: 'nested lists of digits, answered along trees that are learned without being shown',
    load: () => import('./listops/index.js'),
  },
  {
    name: 'mnist-moe',
    summary: 'handwritten digits with a Mixture-of-Experts',
    load: () => import('./mnist-moe/index.js'),
  },
  {
    name: 'mnist-vae',
    summary: 'handwritten digits coded by a few categorical variables: a discrete VAE',
    load: () => import('./mnist-vae/index.js'),
  },
  {
    name: 'moe-lm',
    summary: 'a language model of bytes with sparse Mixtures-of-Experts',
    load: () => import('./moe-lm/index.js'),
  },
  {
    name: 'polynomial',
    summary: 'how far an estimator gets on a loss whose optimum is known',
    load: () => import('./polynomial/index.js'),
  },
  {
    name: 'search-cell',
    summary: 'the operations of a network for CIFAR-10, searched as in GDAS by any estimator',
    load: () => import('./search-cell/index.js'),
  },
  {
    name: 'search-table',
    summary: 'the same search in a table of all cells, by many methods and thousands of times',
    load: () => import('./search-table/index.js'),
  },
  {
    name: 'toy-variance',
    summary: 'bias and variance of the estimators on three categories',
    load: () => import('./toy-variance/index.js'),
  },
];

/** A line a program, for the help. */
export function describePrograms(): string {
  const width = Math.max(...PROGRAMS.map(({name}) => name.length));
  return PROGRAMS.map(({name, summary}) => `  ${name.padEnd(width)}  ${summary}`).join('\n');
}
