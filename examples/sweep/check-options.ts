// Whether a program takes the options of its trials: asked before the first of them starts.
// SPDX-License-Identifier: Apache-2.0
import {CommanderError} from 'commander';
import {ValueError} from 'tfjs-moe/node';
import {PROGRAMS} from '../programs.js';
import type {SweepSpec} from './spec.js';
import {describeTrial, type Setting, trialWords} from './trials.js';

/** @throws ValueError if there is no such program, or it refuses an option of a trial. */
export async function checkOptions({program: name, halving}: SweepSpec, settings: readonly Setting[]): Promise<void> {
  const program = PROGRAMS.find(candidate => candidate.name === name);
  if (!program) {
    throw new ValueError(
      `sweep: there is no program "${name}"; the names are ${PROGRAMS.map(entry => entry.name).join(', ')}.`,
    );
  }
  const {createCommand} = await program.load();
  for (const {trials} of settings) {
    const trial = trials[0]!;
    const words = trialWords(trial, halving ? {[halving.option]: halving.to} : {});
    const command = createCommand()
      .exitOverride()
      .configureOutput({writeErr: () => {}})
      .action(() => {}); // only read, not run
    try {
      await command.parseAsync(words.slice(1), {from: 'user'});
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      throw new ValueError(`sweep: ${name} refuses the trial ${describeTrial(trial)}: ${error.message}`, {
        cause: error,
      });
    }
  }
}
