#!/usr/bin/env node
// The command tfjs-moe: runs the programs.
// SPDX-License-Identifier: Apache-2.0
import {readFileSync} from 'node:fs';
import {Command} from 'commander';
import {describePrograms, PROGRAMS} from '../../examples/programs.js';
import {createSweepCommand} from '../../examples/sweep/index.js';

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

command.addCommand(createSweepCommand([process.execPath, ...process.execArgv, process.argv[1]!]));

// A sweep starts programs with a channel; when it is killed the channel closes, and its programs save themselves and stop.
if (process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref(); // after the listener, which would hold the process
}

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
