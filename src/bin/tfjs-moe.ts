#!/usr/bin/env node
// The command tfjs-moe: runs the programs.
// SPDX-License-Identifier: Apache-2.0
import {readFileSync} from 'node:fs';
import {Command} from 'commander';

/** A row of the table of programs. */
interface Program {
  name: string;
  summary: string;
  /** Loads the module, which brings TensorFlow.js with it: only the program that runs is loaded. */
  load(): Promise<{createCommand(): Command}>;
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'bernoulli-vae',
    summary: 'binary images coded by 200 bits: the estimators of both families compared',
    load: () => import('../../examples/bernoulli-vae/index.js'),
  },
  {
    name: 'gradient-quality',
    summary: 'the gradients of the estimators against the exact one, in a VAE of digits',
    load: () => import('../../examples/gradient-quality/index.js'),
  },
  {
    name: 'gumbel-rao-vae',
    summary: 'binarised digits coded by categorical variables, as in the Gumbel-Rao paper',
    load: () => import('../../examples/gumbel-rao-vae/index.js'),
  },
  {
    name: 'listops',
    summary: 'nested lists of digits, answered along trees that are learned without being shown',
    load: () => import('../../examples/listops/index.js'),
  },
  {
    name: 'mnist-moe',
    summary: 'handwritten digits with a Mixture-of-Experts',
    load: () => import('../../examples/mnist-moe/index.js'),
  },
  {
    name: 'mnist-vae',
    summary: 'handwritten digits coded by a few categorical variables: a discrete VAE',
    load: () => import('../../examples/mnist-vae/index.js'),
  },
  {
    name: 'moe-lm',
    summary: 'a language model of bytes with sparse Mixtures-of-Experts',
    load: () => import('../../examples/moe-lm/index.js'),
  },
  {
    name: 'polynomial',
    summary: 'how far each estimator gets on a loss whose optimum is known',
    load: () => import('../../examples/polynomial/index.js'),
  },
  {
    name: 'search-cell',
    summary: 'the operations of a network for CIFAR-10, searched as in GDAS by any estimator',
    load: () => import('../../examples/search-cell/index.js'),
  },
  {
    name: 'search-table',
    summary: 'the same search in a table of all cells, by many methods and thousands of times',
    load: () => import('../../examples/search-table/index.js'),
  },
  {
    name: 'toy-variance',
    summary: 'bias and variance of the estimators on three categories',
    load: () => import('../../examples/toy-variance/index.js'),
  },
];

function describePrograms(): string {
  const width = Math.max(...PROGRAMS.map(({name}) => name.length));
  return PROGRAMS.map(({name, summary}) => `  ${name.padEnd(width)}  ${summary}`).join('\n');
}

const packageFile = new URL('../../package.json', import.meta.url);
const {version} = JSON.parse(readFileSync(packageFile, 'utf8')) as {version: string};

const programsHelp = `\nPrograms:\n${describePrograms()}\n\nThe options of a program: tfjs-moe train <program> --help`;

const command = new Command('tfjs-moe')
  .description('Discrete routing for TensorFlow.js: programs that train with it.')
  .version(version, '--version', 'print the version')
  .helpOption('--help', 'print this help')
  .helpCommand(false)
  .enablePositionalOptions()
  .addHelpText('after', programsHelp);

command
  .command('train')
  .description('run a program')
  .usage('<program> [options]')
  .argument('[program]', 'which program to run')
  .argument('[options...]', "the program's own options")
  .passThroughOptions() // what follows the program's name is the program's, also --help
  .helpOption('--help', 'print this help')
  .addHelpText('after', programsHelp)
  .action(async (name: string | undefined, options: string[]) => {
    const program = PROGRAMS.find(candidate => candidate.name === name);
    if (!program) {
      const what = name === undefined ? 'name a program' : `there is no program "${name}"`;
      console.error(`tfjs-moe train: ${what}. The programs are:\n${describePrograms()}`);
      process.exitCode = 1;
      return;
    }
    const {createCommand} = await program.load();
    await createCommand()
      .name(`tfjs-moe train ${program.name}`)
      .helpOption('--help', 'print this help')
      .showHelpAfterError('(--help lists the options)')
      .parseAsync(options, {from: 'user'});
  });

// Who reads the output may leave, as `head` does; the run goes on.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
});

try {
  await command.parseAsync();
} catch (error) {
  // What the user can mend is said in a line: our own errors, those of tfjs-layers, and what the system refuses. Anything else is a fault of
  // ours, and its stack is wanted. Nothing is thrown on: the wasm backend would print its whole source before it.
  const {name, message, stack, code} = error as NodeJS.ErrnoException;
  const isPlain = [name, (error as Error).constructor.name].includes('ValueError') || code !== undefined;
  console.error(isPlain ? message : stack);
  process.exitCode = 1;
}
