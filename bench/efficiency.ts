// npm run bench -- efficiency: time and memory of a step of training by each estimator, over those of straight-through.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {useBackend} from 'tfjs-moe/node';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {quadraticSteps, type Steps, vaeSteps} from './efficiency-steps.js';
import {interleaved, median, medianRatio, processTime} from './interleaved.js';
import {type PeakBytes, peakBytes} from './peak-bytes.js';

/** K of Gumbel-Rao. */
const NUM_SAMPLES = [100, 300, 1000];
/** From so many times the time of straight-through on a step is timed in so many times fewer rounds. */
const SLOW = 5;
/** From so many times on it is timed once. */
const VERY_SLOW = 50;
/** Straight-through once more: its time over its own says how far to trust the others. */
const AGAIN = 'again';

/** Figures of one estimator: its peaks in bytes, its time, and that over straight-through's. */
interface Row extends PeakBytes {
  title: string;
  milliseconds: number;
  time: number;
}

/** The command. */
export async function benchEfficiency({rounds, json}: {rounds: number; json: boolean}): Promise<void> {
  tf.enableProdMode();
  await useBackend('wasm');
  console.log(
    'Time is that of the process on a core, which other programs do not lengthen: the median of rounds in turn, and over\n' +
      'that of straight-through in the same round. Tensors: the most bytes of tensors at one time within a step, beyond those\n' +
      'before it, as tf.memory() counts them. Heap: the same of what the wasm backend allocates, for kernels as well.',
  );
  const bits = {
    title: 'Quadratic programme, 128 bits, batch 512',
    makeSteps: quadraticSteps,
    heldAtOnce: [4, 8],
  } as const;
  const digits = {
    title: 'VAE, 30 latents of 10 categories, batch 100, a step of Adam',
    makeSteps: vaeSteps,
    heldAtOnce: [24, 32],
  } as const;
  const quadratic = measure(bits, false, rounds);
  const quadraticFused = measure(bits, true, rounds);
  const vae = measure(digits, true, rounds);
  if (json) console.log(JSON.stringify({quadratic, vae, quadraticFused}));
}

/** What is measured. */
interface Problem {
  title: string;
  makeSteps: (numSamples: readonly number[]) => Steps;
  /** Two K of which Gumbel-Rao, written in ops, draws all noise at once and holds more than anything else in the step. */
  heldAtOnce: readonly [number, number];
}

/** Times the steps of a problem and watches their memory, prints both, and returns them over straight-through's. */
function measure({title, makeSteps, heldAtOnce}: Problem, isFused: boolean, rounds: number): Record<string, number> {
  if (isFused) registerWasmTrainingKernels();
  else unregisterWasmTrainingKernels();
  const unchunked = unchunkedBytes(makeSteps(heldAtOnce), heldAtOnce);
  if (isFused) registerWasmTrainingKernels();
  const rows = rowsOf(makeSteps(NUM_SAMPLES), rounds);
  print(`${title}; ${isFused ? 'kernels of tfjs-moe/wasm' : 'stock kernels'}`, Object.values(rows));
  const st = rows.st!;
  const atOnce = NUM_SAMPLES.map((count, i) => `${megabytes(unchunked[i]!)} at K = ${count}`);
  console.log(`\nGumbel-Rao with all its noise at once would hold ${atOnce.join(', ')}.`);
  const figures = Object.entries(rows).flatMap(([key, {time, tensors}]): [string, number][] => [
    [`${key}Time`, time],
    [`${key}Bytes`, tensors / st.tensors],
  ]);
  const ofNoise = NUM_SAMPLES.map((count, i): [string, number] => [
    `gumbelRao${count}UnchunkedBytes`,
    unchunked[i]! / st.tensors,
  ]);
  return Object.fromEntries([...figures, ...ofNoise].map(([name, value]) => [name, Number(value.toFixed(3))]));
}

/** The bytes of tensors that Gumbel-Rao would hold, for each K, if it drew all noise at once: they grow evenly with K. */
function unchunkedBytes(steps: Steps, heldAtOnce: readonly [number, number]): number[] {
  // The kernel that needs no memory for noise stands aside until the kernels are registered again.
  if (tf.getKernel('GumbelRaoGradient', 'wasm')) tf.unregisterKernel('GumbelRaoGradient', 'wasm');
  steps.st!.run(); // the optimizer makes its own tensors at the first step
  const [few, many] = heldAtOnce.map(count => peakBytes(steps[`gumbelRao${count}`]!.run).tensors) as [number, number];
  const each = (many - few) / (heldAtOnce[1] - heldAtOnce[0]);
  return NUM_SAMPLES.map(count => many + (count - heldAtOnce[1]) * each);
}

/** Runs the steps in turn: all of them once or twice with an eye on the memory, and then those that are not too slow for the time. */
function rowsOf(steps: Steps, rounds: number): Record<string, Row> {
  const all: Steps = {...steps, [AGAIN]: {...steps.st!, title: `${steps.st!.title}, again`}};
  steps.st!.run();
  const watched = Object.fromEntries(Object.entries(all).map(([key, {run}]) => [key, watch(run)]));
  const slowness = (key: string) => watched[key]!.milliseconds / watched.st!.milliseconds;
  const time = (isTimed: (key: string) => boolean, count: number) => {
    const runs = Object.entries(all).filter(([key]) => key === 'st' || isTimed(key));
    return interleaved(Object.fromEntries(runs.map(([key, {run}]) => [key, run])), count, 1, undefined, processTime);
  };
  const quick = time(key => slowness(key) < SLOW, rounds);
  const slow = time(key => slowness(key) >= SLOW && slowness(key) < VERY_SLOW, Math.ceil(rounds / SLOW));
  const rows = Object.entries(all).map(([key, {title}]): [string, Row] => {
    const {milliseconds, tensors, heap} = watched[key]!;
    const times = key in quick ? quick : slow;
    const own = times[key] ?? [milliseconds];
    const ratio = times[key] ? medianRatio(own, times.st!) : milliseconds / median(quick.st!);
    return [key, {title, milliseconds: median(own), time: ratio, tensors, heap}];
  });
  return Object.fromEntries(rows);
}

/** Time and memory of one run; a run that is not slow goes before, since code that is new is slow. */
function watch(run: () => void): PeakBytes & {milliseconds: number} {
  const once = () => {
    const start = processTime();
    const bytes = peakBytes(run);
    return {...bytes, milliseconds: processTime() - start};
  };
  const first = once();
  return first.milliseconds < 1000 ? once() : first;
}

function print(title: string, rows: Row[]): void {
  const line = (cells: string[]) => cells.map((cell, i) => (i === 0 ? cell.padEnd(32) : cell.padStart(10))).join(' ');
  console.log(`\n${title}\n\n${line(['', 'time', 'over ST', 'tensors', 'over ST', 'heap'])}`);
  for (const {title, milliseconds, time, tensors, heap} of rows) {
    const ratios = [time, tensors / rows[0]!.tensors].map(ratio => `${ratio.toFixed(2)} x`) as [string, string];
    console.log(
      line([title, `${milliseconds.toFixed(2)} ms`, ratios[0], megabytes(tensors), ratios[1], megabytes(heap)]),
    );
  }
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
