// The command sweep: many trainings of one program, on one machine or on many.
// SPDX-License-Identifier: Apache-2.0
import {availableParallelism} from 'node:os';
import {join} from 'node:path';
import {Command, Option} from 'commander';
import {listenForInterrupt} from '../shared/interrupt.js';
import {wholeNumber} from '../shared/options.js';
import {lockOutput} from '../shared/run-lock.js';
import {checkOptions} from './check-options.js';
import {type Ledger, listTrials} from './ledger.js';
import {startLiveTable} from './live-table.js';
import {loadLedger, runLocally} from './local-engine.js';
import {addWorkerCommand, openSharedSweep, type SharedSweep} from './redis/index.js';
import {describeSummary, SWEEP_FILES, saveReport, saveResults} from './report.js';
import {readSpec, type SweepSpec} from './spec.js';
import {summarise} from './summary.js';
import {loadTrial, saveTrial} from './trial-folder.js';
import {listSettings, type Setting} from './trials.js';

/** Where sweeps leave their files, unless told otherwise: a folder each. */
const OUTPUT = join('runs', 'sweeps');

const NOTES = `
A sweep is a JSON file, such as examples/sweeps/polynomial.json:
  {
    "program": "polynomial",                          a program of tfjs-moe train
    "options": {"steps": 2000},                       the same for all trials
    "grid": {"estimator": ["reinmax", "reinforce"],   every combination is a setting; a value may also be
             "p": [1.5, 2, 3]},                       a set of options: {"estimator": "stgs", "temperature": 0.5}
    "random": {"draws": 20, "ranges": {               or drawn, each setting of the grid with each draw
      "learning-rate": {"log": [1e-4, 1e-2]}}},       also {"linear": [a, b]} and {"choice": [...]}
    "seeds": 10,                                      how many, or a list of them
    "figure": "trainingLoss", "goal": "least",        of the program's result.json; "also": further figures
    "by": ["p"],                                      optional: which settings compete, those with the same p
    "halving": {"option": "steps", "from": 250, "to": 2000, "factor": 2}
  }
With "halving" all settings train a little, the best 1/factor of them factor times as long, and so on (ASHA).

Each trial is a process of its own with a folder of its own. Stop a sweep at any moment, by Ctrl-C or the hard way, and give the same command
again: it goes on. A trial that dies is tried again from its checkpoint, three times in all. Settings added to the file join the sweep.

On several machines: start the sweep with --redis <url>, which then runs no trials itself, and on each machine
  tfjs-moe sweep worker --redis <url>
with BullMQ on a Redis or Valkey server of yours (npm install bullmq ioredis). The results are the same.
`;

interface SweepOptions {
  output?: string;
  /** False with --no-halving. */
  halving: boolean;
  redis?: string;
}

interface StartOptions extends SweepOptions {
  workers: number;
  retry?: true;
}

/**
 * The command with its commands.
 *
 * @param program The words that start tfjs-moe itself, for the processes of the trials.
 * @param check Refuses options that the program does not have.
 */
export function createSweepCommand(program: readonly string[], check = checkOptions): Command {
  const sweep = new Command('sweep')
    .description('run many trainings of one program: a grid, a random search, seeds; or sum up what they found')
    .usage('[start|status|results] <file> [options], or worker --redis <url> [options]')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', NOTES);
  const common = (command: Command) =>
    command
      .option('--output <folder>', `where it leaves its files (default: ${OUTPUT}/<name of the sweep>)`)
      .option('--no-halving', 'train all settings of a sweep with halving to the end, for comparison')
      .option('--redis <url>', 'the Redis or Valkey server of a sweep on several machines: redis://host:port');

  common(
    sweep
      .command('start', {isDefault: true})
      .description('run all trials that are not finished')
      .argument('<file>', 'the sweep'),
  )
    .addOption(
      new Option('--workers <n>', 'how many trials run at a time')
        .argParser(wholeNumber(1))
        .default(availableParallelism())
        .conflicts('redis'),
    )
    .option('--retry', 'try again what died three times')
    .action(start);
  common(sweep.command('status').description('how far the sweep is').argument('<file>', 'the sweep')).action(status);
  common(
    sweep
      .command('results')
      .description('write and print the tables and the chart of what is finished')
      .argument('<file>', 'the sweep'),
  ).action(results);
  addWorkerCommand(sweep, program, OUTPUT);
  return sweep;

  async function start(file: string, options: StartOptions): Promise<void> {
    const {spec, settings, folder} = await open(file, options);
    await check(spec, settings);
    const unlock = await lockOutput(folder);
    const stop = new AbortController();
    const interrupt = listenForInterrupt(() => stop.abort());
    const trials = join(folder, SWEEP_FILES.trials);
    let shared: SharedSweep | undefined;
    try {
      if (options.redis !== undefined) shared = await openSharedSweep(options.redis, {spec, settings, folder: trials});
      if (options.retry) await (shared ? shared.retryFailed() : forgetDeaths(settings, folder));
      const ledger = await (shared ? shared.load() : loadLedger(spec, settings, trials));
      console.log(describePlan(ledger, shared ? `by the workers of ${shared.server}` : `${options.workers} at a time`));
      const table = startLiveTable(ledger, () => shared?.running() ?? options.workers);
      try {
        const place = {command: program, folder: trials, halvingOption: spec.halving?.option};
        const observer = {
          started: table.started,
          async ended(...[job, ending]: Parameters<typeof table.ended>) {
            table.ended(job, ending);
            await saveResults(folder, ledger);
          },
        };
        if (shared) await shared.coordinate(ledger, {stop: stop.signal, observer});
        else await runLocally(ledger, place, {workers: options.workers, stop: stop.signal, observer});
      } finally {
        table.stop();
      }
      const summary = await saveReport(folder, ledger);
      console.log(`\n${describeSummary(ledger, summary)}\nresults in ${folder}`);
      if (!ledger.schedule.isComplete()) {
        const rest = shared ? ` The jobs stay at ${shared.server}, and workers go on with them.` : '';
        console.log(`Stopped; the same command goes on.${rest}`);
      }
      process.exitCode = interrupt.exitCode ?? (summary.failed.length > 0 ? 1 : 0);
    } finally {
      shared?.close();
      unlock();
      interrupt.dispose();
    }
  }

  async function status(file: string, options: SweepOptions): Promise<void> {
    const ledger = await look(await open(file, options), options);
    const {settings: _, ...summary} = summarise(ledger);
    console.log(describeSummary(ledger, {...summary, settings: []}).trimStart());
  }

  async function results(file: string, options: SweepOptions): Promise<void> {
    const sweep = await open(file, options);
    const {folder} = sweep;
    const ledger = await look(sweep, options);
    const summary = await saveReport(folder, ledger);
    console.log(`${describeSummary(ledger, summary)}\nresults in ${folder}`);
  }
}

/** A sweep that was read. */
interface OpenSweep {
  spec: SweepSpec;
  settings: Setting[];
  folder: string;
}

/** Opens the books to read in them only. */
async function look({spec, settings, folder}: OpenSweep, {redis}: SweepOptions): Promise<Ledger> {
  const trials = join(folder, SWEEP_FILES.trials);
  if (redis === undefined) return loadLedger(spec, settings, trials);
  const shared = await openSharedSweep(redis, {spec, settings, folder: trials});
  try {
    return await shared.load();
  } finally {
    shared.close();
  }
}

/** Reads a sweep and lists its settings. */
async function open(file: string, {output, halving}: SweepOptions): Promise<OpenSweep> {
  const asked = await readSpec(file);
  const spec = halving ? asked : withoutHalving(asked);
  return {spec, settings: listSettings(spec), folder: output ?? join(OUTPUT, spec.name)};
}

/** The same sweep with all settings trained to the end, under a name of its own. */
function withoutHalving({halving, ...spec}: SweepSpec): SweepSpec {
  if (!halving) return spec;
  return {...spec, name: `${spec.name}-whole`, options: {...spec.options, [halving.option]: halving.to}};
}

async function forgetDeaths(settings: readonly Setting[], folder: string): Promise<void> {
  for (const {id} of listTrials({settings})) {
    const trial = join(folder, SWEEP_FILES.trials, id);
    const state = await loadTrial(trial);
    if (state.deaths.length > 0) await saveTrial(trial, {...state, deaths: []});
  }
}

function describePlan({spec, settings, schedule}: Ledger, how: string): string {
  const {ended} = schedule.progress();
  const seeds = settings[0]!.trials.length;
  const plan = `${spec.name}: ${settings.length} settings of ${spec.program} with ${seeds} ${seeds === 1 ? 'seed' : 'seeds'}`;
  return `${plan}, ${how}${ended > 0 ? `, ${ended} done before` : ''}`;
}
