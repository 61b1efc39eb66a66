// The program moe-lm: trains a small language model with Mixtures-of-Experts on the bytes of a text.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {Command, Option} from 'commander';
import 'tfjs-moe/layers'; // registers the layers, so that a saved model can be loaded
import type {BackendName} from 'tfjs-moe/node';
import {loadText, type TextData} from '../data/text.js';
import {startBackend} from '../shared/backend.js';
import type {SavedCheckpoint} from '../shared/checkpoint.js';
import type {Interrupt} from '../shared/interrupt.js';
import {addCommonOptions, type CommonOptions, finiteNumber, givenOptions, wholeNumber} from '../shared/options.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {startProgress} from '../shared/progress.js';
import {saveJsonLines} from '../shared/results.js';
import {checkGoesOn} from '../shared/run-length.js';
import {loadRunModel, savedSettings} from '../shared/saved-run.js';
import {runTraining, secondsHere} from '../shared/training-program.js';
import {countWeights, createModel, type LanguageModel, withParts} from './model.js';
import {examine, report, type SampleRequest} from './report.js';
import {activeHiddenUnits, PROGRAM, type Settings} from './settings.js';
import {isComplete, progressOf, type Run, type RunState, resumeRun, saveRun, startRun, train} from './training.js';

interface Options extends CommonOptions, SampleRequest {
  text?: string;
  dense?: true;
  experts: number;
  topK: number;
  router: string;
  capacityFactor?: number;
  balanceWeight: number;
  blocks: number;
  width: number;
  heads: number;
  context: number;
  batchSize: number;
  steps: number;
  minutes?: number;
  learningRate: number;
  reportEvery: number;
}

const EXAMPLES = `
The text is any file (--text), by default the declaration files that the TypeScript compiler comes with. Its last tenth is held
out. The figure is bits per byte: what the model would need to write the held-out bytes down.

Examples:
  tfjs-moe train ${PROGRAM}
  tfjs-moe train ${PROGRAM} --dense --output runs/dense
  tfjs-moe train ${PROGRAM} --text book.txt --minutes 10 --threads 2
  tfjs-moe train ${PROGRAM} --resume
  tfjs-moe train ${PROGRAM} --evaluate runs/${PROGRAM} --prompt "interface "

Ctrl-C saves the run and stops it; --resume goes on to the same numbers.`;

/** The command with its options. */
export function createCommand(): Command {
  const command = new Command(PROGRAM)
    .description(
      'Trains a byte-level Transformer whose feed-forward layers are Mixtures-of-Experts: the router sends each byte to a few of ' +
        'them, so that the model holds many times the weights that a byte meets. Prints bits per byte of held-out text, the load of ' +
        `the experts, what they read and a sample, and leaves in the output folder: ${Object.values(RUN_FILES).join(', ')}.`,
    )
    .option('--text <file>', 'the text (default: the declarations of the TypeScript compiler)')
    .addOption(
      new Option('--dense', 'a dense layer of as many active weights in place of the experts').conflicts([
        'experts',
        'router',
        'capacityFactor',
        'balanceWeight',
      ]),
    )
    .option('--experts <n>', 'how many experts a block has', wholeNumber(1), 8)
    .option('--top-k <n>', 'how many of them a byte goes through', wholeNumber(1), 1)
    .option('--router <name>', 'how they are chosen', 'switch')
    .option(
      '--capacity-factor <f>',
      'places of an expert over a balanced share (default: no limit)',
      finiteNumber({above: 0}),
    )
    .option('--balance-weight <w>', 'weight of the load balancing loss', finiteNumber({from: 0}), 0.03)
    .option('--blocks <n>', 'how many blocks of attention and experts', wholeNumber(1), 2)
    .option('--width <n>', 'width of the network', wholeNumber(1), 128)
    .option('--heads <n>', 'heads of the attention', wholeNumber(1), 4)
    .option('--context <n>', 'how many bytes the model sees', wholeNumber(1), 128)
    .option('--batch-size <n>', 'windows a step', wholeNumber(1), 16)
    .addOption(new Option('--steps <n>', 'how many steps').argParser(wholeNumber(1)).default(2000))
    .addOption(
      new Option(
        '--minutes <m>',
        'how long to train, instead of a number of steps; the figures then depend on the speed',
      )
        .argParser(finiteNumber({above: 0}))
        .conflicts('steps'),
    )
    .option('--learning-rate <r>', "Adam's highest rate; it rises, then falls to 0", finiteNumber({above: 0}), 0.003)
    .option(
      '--report-every <n>',
      'steps between measurements, after each of which the run is saved',
      wholeNumber(1),
      100,
    )
    .option('--sample <n>', 'how many bytes to write at the end', wholeNumber(0), 400)
    .option('--temperature <t>', 'of the sample: the lower, the more likely its bytes', finiteNumber({above: 0}), 0.7)
    .option('--prompt <text>', 'what the sample goes on from (default: the first held-out bytes)');
  return addCommonOptions(command, {output: `runs/${PROGRAM}`})
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      if (options.evaluate !== undefined) await evaluateSaved(options.evaluate, options);
      else await trainAndReport(options, command);
    });
}

async function trainAndReport(options: Options, command: Command): Promise<void> {
  const {output} = options;
  await runTraining<RunState>(options, {
    name: PROGRAM,
    extend: givenOptions(command).steps !== undefined,
    async prepare(checkpoint) {
      const {run, text} = await prepare(options, command, checkpoint);
      return {
        step: () => run.state.step,
        isComplete: () => isComplete(run),
        train: interrupt => trainInto(output, run, text, interrupt),
        report: () => report(output, options, run, text),
      };
    },
  });
}

/** Loads the text, starts the backend and builds the network, or takes all of them up from a checkpoint. */
async function prepare(
  options: Options,
  command: Command,
  checkpoint: SavedCheckpoint<RunState> | undefined,
): Promise<{run: Run; text: TextData}> {
  // A run that goes on keeps its settings; what the user types besides must agree with them.
  const saved = checkpoint?.settings as Settings | undefined;
  const given = givenOptions(command) as Partial<Options>;
  const chosen: Options = saved ? {...options, ...toOptions(saved), ...given} : options;
  if (saved && given.steps !== undefined) delete chosen.minutes;
  const text = await loadText({text: chosen.text, window: chosen.context + 1});
  console.log(text.source);
  const backend = await startBackend(chosen);
  const settings = resolveSettings(chosen, text, backend);
  if (saved) {
    const schedule = 'its learning rate rises and falls to 0';
    checkGoesOn(saved, settings, {name: 'steps', done: checkpoint!.state.step, schedule});
  }
  const network = createModel(settings);
  const run = checkpoint ? await resumeRun(settings, network, checkpoint) : startRun(settings, network);
  console.log(`${describeNetwork(settings, network)}, on ${backend}; ${describeLength(settings)}${describeStart(run)}`);
  return {run, text};
}

function resolveSettings(chosen: Options, text: TextData, backend: string): Settings {
  const {topK, router, balanceWeight, blocks, width, heads, context, batchSize, learningRate, reportEvery, seed} =
    chosen;
  return {
    experts: chosen.dense ? null : chosen.experts,
    topK,
    router,
    capacityFactor: chosen.capacityFactor ?? null,
    balanceWeight,
    blocks,
    width,
    heads,
    context,
    batchSize,
    steps: chosen.minutes === undefined ? chosen.steps : null,
    minutes: chosen.minutes ?? null,
    learningRate,
    reportEvery,
    seed,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    data: text.source,
    text: text.file ?? null,
  };
}

/** The options under which a run was started. */
function toOptions(settings: Settings): Partial<Options> {
  const {experts, capacityFactor, steps, minutes, text, backend, data: _, ...same} = settings;
  return {
    ...same,
    ...(experts === null ? {dense: true as const} : {experts}),
    ...(capacityFactor !== null && {capacityFactor}),
    ...(steps !== null && {steps}),
    ...(minutes !== null && {minutes}),
    ...(text !== null && {text}),
    backend: backend as BackendName,
  };
}

const number = (value: number) => value.toLocaleString('en-US');

function describeNetwork(settings: Settings, network: LanguageModel): string {
  const {experts, topK, router, blocks} = settings;
  const {total, active} = countWeights(network, topK);
  const kind =
    experts === null
      ? `dense, ${activeHiddenUnits(settings)} hidden units`
      : `${experts} experts, ${router}, top ${topK}`;
  return `${blocks} blocks, ${kind}, ${number(total)} weights of which a byte meets ${number(active)}`;
}

function describeLength({steps, minutes, batchSize, context}: Settings): string {
  const length = steps === null ? `${minutes} minutes` : `${number(steps)} steps`;
  return `${length} of ${batchSize} windows of ${context} bytes`;
}

const describeStart = ({state: {step}}: Run) => (step === 0 ? '' : `, from step ${step}`);

/** Trains, and saves the run after each measurement and when a signal has come. */
async function trainInto(output: string, run: Run, text: TextData, interrupt: Interrupt): Promise<void> {
  const {state} = run;
  const save = async () => {
    const toDate = {...state, secondsBefore: state.secondsBefore + secondsHere()};
    await saveRun(join(output, RUN_FILES.checkpoint), {...run, state: toDate});
    await saveJsonLines(join(output, RUN_FILES.history), state.history);
  };
  const {done, total} = progressOf(run);
  const progress = startProgress({
    total,
    done,
    format: 'step {step}  bits/byte {bits}  held out {validation}  {speed} bytes/s  {load}',
    figures: {step: String(state.step), bits: '-', validation: '-', speed: '-', load: ''},
  });
  try {
    await train(run, text, progress, interrupt, save);
  } finally {
    progress.stop();
  }
  if (!isComplete(run)) await save();
}

/** Measures the model of a finished run on the text that it was not trained on. */
async function evaluateSaved(folder: string, options: Options): Promise<void> {
  // The run says which text it had; a folder with a model alone is measured on the one that the options name.
  const saved = await savedSettings<Settings>(folder, PROGRAM);
  await startBackend(options);
  const network = withParts(await loadRunModel(folder));
  const text = await loadText({text: options.text ?? saved?.text ?? undefined, window: network.context + 1});
  console.log(text.source);
  await examine(network, text, options, options.seed, undefined);
}
