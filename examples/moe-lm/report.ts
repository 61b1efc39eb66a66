// What a trained network can do, on the terminal and in the files of the run.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {seeded} from 'tfjs-moe/estimators';
import {fileSystem} from 'tfjs-moe/node';
import type {TextData} from '../data/text.js';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {saveJsonLines} from '../shared/results.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {
  countReaders,
  describeLoads,
  describeMeasurement,
  describeReaders,
  isWithinBounds,
  LOAD_BOUNDS,
  type Measurement,
  measure,
} from './evaluate.js';
import {countWeights, type LanguageModel} from './model.js';
import {defaultPrompt, printable, sampleBytes} from './sample.js';
import {PROGRAM} from './settings.js';
import type {Run} from './training.js';
import {tiledWindows} from './windows.js';

/** What the user wants to read at the end. */
export interface SampleRequest {
  /** How many bytes; 0 for none. */
  sample: number;
  temperature: number;
  /** Default: bytes of the held-out text. */
  prompt?: string;
}

/** How many held-out bytes the final figure is taken over, evenly spread: the text's tenth may be large. */
const MEASURED_BYTES = 2 ** 18;
/** How many windows of the held-out text the table of readers is drawn from. */
const READ_WINDOWS = 128;

/**
 * Measures on the held-out text, and prints what was found.
 *
 * @param seed Of the sample.
 * @param expertLoad In training, where it is known.
 */
export async function examine(
  network: LanguageModel,
  text: TextData,
  request: SampleRequest,
  seed: number,
  expertLoad: number[][] | undefined,
) {
  const begins = tiledWindows(text.heldOut, network.context, Math.ceil(MEASURED_BYTES / network.context));
  const found = await measure(network, text.heldOut, begins);
  const readers = await countReaders(network, text.heldOut, tiledWindows(text.heldOut, network.context, READ_WINDOWS));
  if (readers.length > 0) {
    if (expertLoad) console.log(`\nHow the bytes spread over the experts:\n${describeLoads(expertLoad)}`);
    console.log(`\nWhich bytes each expert reads more than the others:\n${describeReaders(readers)}`);
  }
  const sample = await writeSample(network, text, request, seed);
  console.log(`\n${describeMeasurement(found)}`);
  return {found, readers, sample};
}

/** The first word of the ids of random streams. */
const SAMPLE = 2;

async function writeSample(
  network: LanguageModel,
  text: TextData,
  {sample: count, temperature, prompt}: SampleRequest,
  seed: number,
) {
  if (count === 0) return null;
  const before = prompt ? new Uint8Array(Buffer.from(prompt, 'utf8')) : defaultPrompt(text.heldOut);
  const random = seeded(seed).split(SAMPLE);
  const after = await sampleBytes(network, {prompt: before, count, temperature, random});
  console.log(
    `\nA sample after the prompt ${JSON.stringify(printable(before))}, temperature ${temperature}:\n${printable(after)}`,
  );
  return {prompt: printable(before), temperature, text: printable(after)};
}

/** Examines the trained network and writes the results; `result.json` comes last and says that the run is finished. */
export async function report(output: string, request: SampleRequest, run: Run, text: TextData): Promise<void> {
  const {settings, network, state} = run;
  const last = state.history.at(-1)!;
  const {found, readers, sample} = await examine(network, text, request, settings.seed, last.expertLoad);
  await network.model.save(fileSystem(join(output, RUN_FILES.model)));
  await saveJsonLines(join(output, RUN_FILES.history), state.history);
  const {experts, topK, router} = settings;
  const title = `${PROGRAM}: ${experts === null ? 'dense' : `${experts} experts, ${router}, top ${topK}`}`;
  await saveChart(join(output, RUN_FILES.chart), runChart({history: state.history, readers, title}));
  await saveResult(output, {
    program: PROGRAM,
    settings,
    figures: figures(run, found),
    state,
    others: {tokensPerSecond: speedOf(run), sample},
  });
  console.log(`${state.step} steps in ${state.seconds.toFixed(1)} s; results in ${output}`);
}

/** Of training, without measuring. */
function speedOf({settings: {batchSize, context}, state}: Run): number {
  return (state.step * batchSize * context) / state.seconds;
}

function figures({settings, network, state}: Run, {bitsPerByte, bytes}: Measurement) {
  const {trainBitsPerByte, expertLoad} = state.history.at(-1)!;
  const {total, active} = countWeights(network, settings.topK);
  return {
    validationBitsPerByte: bitsPerByte,
    validationBytes: bytes,
    trainBitsPerByte,
    expertLoad,
    loadBounds: LOAD_BOUNDS,
    loadWithinBounds: isWithinBounds(expertLoad),
    parameters: {total, active},
    steps: state.step,
  };
}
