// The command of a program with a sampled code: trains, evaluates or compares.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {Command} from 'commander';
import type {Images} from '../data/images.js';
import {COMPARISON} from '../shared/finished-runs.js';
import type {Interrupt} from '../shared/interrupt.js';
import {givenOptions, withOutput} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {runTraining, secondsHere} from '../shared/training-program.js';
import {compare} from './compare.js';
import {addOptions, type OptionsOf, resolveAlias} from './options.js';
import {PICTURES} from './pictures.js';
import {evaluateSaved, prepare} from './prepare.js';
import type {VaeProgram} from './program.js';
import {RESULTS, report} from './report.js';
import {type Run, type RunState, saveRun} from './run-state.js';
import {train} from './training.js';

/** The command with its options. */
export function createVaeCommand<Own extends object>(program: VaeProgram<Own>): Command {
  const {name, description, defaults, outputPattern} = program;
  const files = [...Object.values(RUN_FILES), ...Object.values(PICTURES)];
  const command = new Command(name).description(`${description} Leaves in the output folder: ${files.join(', ')}.`);
  program.addOptions(command);
  return addOptions(command, {...defaults, output: `runs/${name}/${outputPattern}`}, COMPARISON)
    .addHelpText('after', describeMore(program))
    .action(async (options: OptionsOf<Own>) => {
      if (options.compare !== undefined) await compare(program, options.compare);
      else if (options.evaluate !== undefined) await evaluateSaved(program, options.evaluate, options, command);
      else {
        const runName = () => program.outputName(options, resolveAlias(options.method));
        await trainAndReport(program, withOutput(options, command, runName), command);
      }
    });
}

function describeMore<Own extends object>({notes, examples}: VaeProgram<Own>): string {
  return `
${notes}

Examples:
${examples.map(example => `  tfjs-moe train ${example}`).join('\n')}

Ctrl-C saves the run and stops it; --resume goes on to the same numbers, and with more --updates beyond the end of a finished run. Each
finished run adds a line to ${RESULTS}, beside its folder.`;
}

async function trainAndReport<Own extends object>(
  program: VaeProgram<Own>,
  options: OptionsOf<Own>,
  command: Command,
): Promise<void> {
  const {output} = options;
  await runTraining<RunState>(options, {
    name: program.name,
    extend: givenOptions(command).updates !== undefined,
    async prepare(checkpoint) {
      const {run, data, title} = await prepare(program, options, command, checkpoint);
      return {
        step: () => run.state.step,
        isComplete: () => isComplete(run),
        train: interrupt => trainInto(output, run, data, interrupt),
        report: () => report(output, title, run, data, options),
      };
    },
  });
}

function isComplete({settings, state}: Run): boolean {
  return state.step === settings.updates;
}

/** Trains, and saves the run with each line of the history and when a signal has come. */
async function trainInto(output: string, run: Run, data: Images, interrupt: Interrupt): Promise<void> {
  const {settings, state} = run;
  const save = async () => {
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveRun(join(output, RUN_FILES.checkpoint), {...run, state: toDate});
    await saveJsonLines(join(output, RUN_FILES.history), state.history);
  };
  const progress = startProgress({
    total: settings.updates,
    done: state.step,
    format: 'update {update}  train -ELBO {train}  valid {valid}',
    figures: {update: String(state.step), train: '-', valid: '-'},
  });
  try {
    await train(run, data, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(run)) await save();
}
