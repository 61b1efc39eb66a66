// The loop: pairs of steps over the two halves, in a state that can be saved after any of them and taken up again.
// SPDX-License-Identifier: Apache-2.0
import {setImmediate} from 'node:timers/promises';
import {seeded} from 'tfjs-moe/estimators';
import {formatArchitecture} from 'tfjs-moe/layers';
import {ValueError} from 'tfjs-moe/node';
import type {Interrupt} from '../shared/interrupt.js';
import {permutation} from '../shared/permutation.js';
import type {Progress} from '../shared/progress.js';
import {summarizeCell} from './collapse.js';
import {makeBatch, type SearchData} from './data.js';
import {evaluateCell} from './evaluate.js';
import {accuraciesOf} from './judge.js';
import {weightRateAt} from './optimizers.js';
import {type EpochRecord, NOTHING, type Run, type RunState} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';
import {type Batch, choiceStep, type StepFigures, weightStep} from './steps.js';

/** The first word of the ids of random streams, then which half, then the epoch or the step. network.ts has 0. */
const SHUFFLE = 1;
const AUGMENTATION = 2;
/** Pixels by which an image moves at most, of images that are not shrunk. */
const PADDING = 4;
/** Which half. */
const WEIGHTS = 0;
const CHOICES = 1;

/** Pairs of steps of an epoch. */
export function batchesPerEpoch({images, batchSize}: Pick<Settings, 'images' | 'batchSize'>): number {
  return Math.ceil(images / batchSize);
}

/** Whether no step is left. */
export function isComplete({settings, state}: Run): boolean {
  return state.epoch === settings.epochs;
}

/** The temperature of an epoch, counted from 0: a straight line from the first to the last. */
export function temperatureAt(
  epoch: number,
  {temperature, finalTemperature, epochs}: Pick<Settings, 'temperature' | 'finalTemperature' | 'epochs'>,
): number {
  return epochs === 1 ? temperature : temperature + (finalTemperature - temperature) * (epoch / (epochs - 1));
}

/**
 * Trains until the run is complete or a signal has come.
 *
 * @param onEpoch Is called after each epoch, when the state holds it.
 */
export async function train(
  run: Run,
  data: SearchData,
  progress: Progress,
  interrupt: Interrupt,
  onEpoch: () => Promise<void>,
): Promise<void> {
  const {settings, network, state} = run;
  const {seed, batchSize, weightRate, shrink} = settings;
  const perEpoch = batchesPerEpoch(settings);
  const total = settings.epochs * perEpoch;
  let orders: [weights: Uint32Array, choices: Uint32Array] | undefined;
  while (!isComplete(run)) {
    // A turn of the event loop, in which signals arrive.
    await setImmediate();
    if (interrupt.exitCode !== undefined) return;
    const clock = performance.now();
    // Orders and augmentation depend on the seed, the epoch and the step only, so that a run taken up in the middle has the same.
    orders ??= [shuffle(data.halves.weights, WEIGHTS, run), shuffle(data.halves.choices, CHOICES, run)];
    network.architecture.temperature = temperatureAt(state.epoch, settings);
    const batch = (half: 0 | 1): Batch =>
      makeBatch(data.train, orders![half].subarray(state.batch * batchSize, (state.batch + 1) * batchSize), {
        statistics: data.statistics,
        augmentation: {
          random: seeded(seed).split(AUGMENTATION, half, state.step),
          mirror: data.canMirror,
          padding: Math.round(PADDING / shrink),
        },
      });
    const first = batch(WEIGHTS);
    const ofWeights = await weightStep(run, first, weightRateAt(state.step / total, weightRate));
    const ofChoices = state.epoch < settings.warmUp ? undefined : await choiceStep(run, batch(CHOICES));
    ++state.step;
    ++state.batch;
    count(state, first.labels.length, ofWeights, ofChoices, (performance.now() - clock) / 1000);
    progress.update(state.step, figuresOf(run, perEpoch));
    if (state.batch < perEpoch) continue;
    ++state.epoch;
    state.batch = 0;
    orders = undefined;
    await closeEpoch(run, data);
    progress.line(describeEpoch(state.history.at(-1)!, settings));
    await onEpoch();
  }
}

function shuffle(rows: Uint32Array, half: number, {settings, state}: Run): Uint32Array {
  const order = permutation(rows.length, seeded(settings.seed).split(SHUFFLE, half, state.epoch));
  return order.map(i => rows[i]!);
}

function count(
  state: RunState,
  examples: number,
  ofWeights: StepFigures,
  ofChoices: StepFigures | undefined,
  seconds: number,
): void {
  const {sums} = state;
  const steps = {weights: ofWeights, ...(ofChoices && {choices: ofChoices})};
  for (const [kind, {loss}] of Object.entries(steps)) {
    if (Number.isFinite(loss)) continue;
    throw new ValueError(
      `${PROGRAM}: the loss of the ${kind} became ${loss} at step ${state.step}. Try a smaller --weight-rate.`,
    );
  }
  sums.examples += examples;
  sums.weightLoss += ofWeights.loss * examples;
  sums.weightCorrect += ofWeights.correct;
  if (ofChoices) {
    sums.choiceExamples += examples;
    sums.choiceLoss += ofChoices.loss * examples;
    sums.choiceCorrect += ofChoices.correct;
  }
  sums.seconds += seconds;
  state.seconds += seconds;
}

/** What stands beside the bar. */
function figuresOf({state}: Run, perEpoch: number): Record<string, string> {
  const {sums, history} = state;
  const last = history.at(-1);
  return {
    epoch: (state.epoch + state.batch / perEpoch).toFixed(2),
    weights: percent(sums.weightCorrect / sums.examples),
    choices: sums.choiceExamples > 0 ? percent(sums.choiceCorrect / sums.choiceExamples) : '-',
    validation: last === undefined ? '-' : percent(last.validationAccuracy),
    entropy: last === undefined ? '-' : last.entropy.toFixed(2),
    speed: speedOf(sums).toFixed(0),
  };
}

const percent = (share: number) => (100 * share).toFixed(1);
const speedOf = ({examples, choiceExamples, seconds}: RunState['sums']) => (examples + choiceExamples) / seconds;

async function closeEpoch(run: Run, data: SearchData): Promise<void> {
  const {settings, network, state} = run;
  const {architecture} = network;
  const {sums, epoch, step, seconds} = state;
  const choices = await architecture.likeliest();
  const probabilities = await architecture.probabilities();
  const validation = await evaluateCell(network, choices, data, settings.batchSize);
  state.history.push({
    epoch,
    step,
    temperature: temperatureAt(epoch - 1, settings),
    weightLoss: sums.weightLoss / sums.examples,
    weightAccuracy: sums.weightCorrect / sums.examples,
    choiceLoss: sums.choiceExamples > 0 ? sums.choiceLoss / sums.choiceExamples : null,
    choiceAccuracy: sums.choiceExamples > 0 ? sums.choiceCorrect / sums.choiceExamples : null,
    architecture: formatArchitecture(choices),
    validationAccuracy: validation.accuracy,
    validationLoss: validation.loss,
    hasCollapsed: summarizeCell(choices).hasCollapsed,
    table: data.table ? accuraciesOf(data.table, choices) : null,
    probabilities,
    entropy: entropyOf(probabilities),
    examplesPerSecond: speedOf(sums),
    seconds,
  });
  state.sums = {...NOTHING};
}

/** In nats, the mean over the edges. */
export function entropyOf(probabilities: readonly (readonly number[])[]): number {
  const entropies = probabilities.map(row => row.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0));
  return entropies.reduce((sum, entropy) => sum + entropy, 0) / entropies.length;
}

function describeEpoch(record: EpochRecord, {epochs}: Settings): string {
  const {epoch, weightLoss, weightAccuracy, choiceLoss, choiceAccuracy, architecture, validationAccuracy} = record;
  const {table, entropy, examplesPerSecond, seconds} = record;
  const ofChoices =
    choiceLoss === null ? 'choices wait' : `choices ${choiceLoss.toFixed(3)} nats, ${percent(choiceAccuracy!)} %`;
  const found = table === null ? '' : `, in the table ${table.cifar10.test.toFixed(2)} %`;
  return (
    `epoch ${epoch}/${epochs}: weights ${weightLoss.toFixed(3)} nats, ${percent(weightAccuracy)} %, ` +
    `${ofChoices}; ${architecture}: ` +
    `validation ${percent(validationAccuracy)} %${found}; entropy ${entropy.toFixed(3)}, ` +
    `${examplesPerSecond.toFixed(0)} images/s, ${seconds.toFixed(1)} s`
  );
}
