// How well a network foretells held-out text, and which expert reads which bytes.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {formatTable} from '../shared/table.js';
import {BYTES} from './byte-embedding.js';
import {BITS, crossEntropy} from './cross-entropy.js';
import type {LanguageModel} from './model.js';
import {cutWindows} from './windows.js';

/** What a measurement found. */
export interface Measurement {
  bitsPerByte: number;
  /** How many bytes were foretold. */
  bytes: number;
}

/** Windows that go through the network at once. */
const BATCH = 16;

/** Runs the network in inference over windows of a text. */
export async function measure(
  {model, context}: LanguageModel,
  text: Uint8Array,
  begins: readonly number[],
): Promise<Measurement> {
  let sum = 0;
  for (let i = 0; i < begins.length; i += BATCH) {
    const batch = begins.slice(i, i + BATCH);
    const loss = tf.tidy(() => {
      const {bytes, labels} = cutWindows(text, context, batch);
      return crossEntropy(tf.reshape(model.predict(bytes) as tf.Tensor, [-1, BYTES]) as tf.Tensor2D, labels);
    });
    sum += batch.length * (await loss.data())[0]!;
    loss.dispose();
  }
  return {bitsPerByte: (BITS * sum) / begins.length, bytes: begins.length * context};
}

/** The figure in words; training and --evaluate print the same line. */
export function describeMeasurement({bitsPerByte, bytes}: Measurement): string {
  return `validation ${bitsPerByte.toFixed(4)} bits per byte (${bytes.toLocaleString('en-US')} held-out bytes)`;
}

/** [block][expert][byte]: how many of the windows' bytes went to the expert. */
export async function countReaders(
  {model, moes, context}: LanguageModel,
  text: Uint8Array,
  begins: readonly number[],
): Promise<number[][][]> {
  const counts = moes.map(moe => Array.from({length: moe.router.numExperts}, () => new Array<number>(BYTES).fill(0)));
  if (moes.length === 0) return counts;
  const inputs = tfl.model({inputs: model.inputs, outputs: moes.map(moe => moe.input as tfl.SymbolicTensor)});
  for (let i = 0; i < begins.length; i += BATCH) {
    const batch = begins.slice(i, i + BATCH);
    const choices = tf.tidy(() => {
      const found = inputs.predict(cutWindows(text, context, batch).bytes);
      const seen = Array.isArray(found) ? found : [found];
      return moes.map(({router}, block) => router.apply(seen[block]!) as tf.Tensor); // [windows, context, experts]
    });
    for (const [block, choice] of choices.entries()) {
      const weights = await choice.data();
      const numExperts = counts[block]!.length;
      batch.forEach((begin, window) => {
        for (let place = 0; place < context; ++place) {
          const row = (window * context + place) * numExperts;
          for (let expert = 0; expert < numExperts; ++expert) {
            if (weights[row + expert] !== 0) ++counts[block]![expert]![text[begin + place]!]!;
          }
        }
      });
    }
    tf.dispose(choices);
  }
  return counts;
}

/** Shares between which the load of an expert should lie, as multiples of a balanced one. */
export const LOAD_BOUNDS = {least: 0.25, most: 2} as const;

/** Whether each expert of each block took a share within the bounds. */
export function isWithinBounds(expertLoad: readonly (readonly number[])[]): boolean {
  const {least, most} = LOAD_BOUNDS;
  return expertLoad.every(load => load.every(share => share * load.length >= least && share * load.length <= most));
}

/** The load of each expert in percent, block by block, and whether it lies within the bounds. */
export function describeLoads(expertLoad: readonly (readonly number[])[]): string {
  const [first] = expertLoad;
  if (first === undefined) return '';
  const cell = (share: number) => (100 * share).toFixed(1);
  const times = (share: number, load: readonly number[]) => (share * load.length).toFixed(2);
  const rows = expertLoad.map((load, block) => [
    `block ${block}`,
    ...load.map(cell),
    times(Math.min(...load), load),
    times(Math.max(...load), load),
  ]);
  const headings = ['% to expert', ...first.map((_, expert) => String(expert)), 'least', 'most'];
  const {least, most} = LOAD_BOUNDS;
  const verdict = isWithinBounds(expertLoad) ? 'Each lies' : 'Not each lies';
  return (
    `${formatTable(headings, rows)}\n` +
    `${verdict} within the bounds: ${least} to ${most} times a balanced share of ${cell(1 / first.length)} %.`
  );
}

/** How many bytes are named for an expert. */
const TYPICAL = 12;

/** For each expert, the bytes that it reads most above their share of the text, as a text table. */
export function describeReaders(counts: readonly (readonly (readonly number[])[])[]): string {
  const rows = counts.flatMap((ofBlock, block) => {
    const ofText = Array.from({length: BYTES}, (_, byte) => sum(ofBlock.map(counts => counts[byte]!)));
    return ofBlock.map((ofExpert, expert) => [`block ${block} expert ${expert}`, typicalBytes(ofExpert, ofText)]);
  });
  const width = Math.max(...rows.map(([name]) => name!.length));
  return rows.map(([name, bytes]) => `${name!.padEnd(width)}  ${bytes}`).join('\n');
}

/** Ordered by what each contributes to the divergence of the expert's bytes from the text's: share log(share / share in the text). */
function typicalBytes(ofExpert: readonly number[], ofText: readonly number[]): string {
  const [own, all] = [sum(ofExpert), sum(ofText)];
  if (own === 0) return '-';
  const weight = (byte: number) => {
    const share = ofExpert[byte]! / own;
    return share === 0 ? 0 : share * Math.log(share / (ofText[byte]! / all));
  };
  const bytes = ofExpert.map((_, byte) => ({byte, weight: weight(byte)})).filter(({weight}) => weight > 0);
  const typical = bytes.sort((a, b) => b.weight - a.weight).slice(0, TYPICAL);
  return typical.map(({byte}) => showByte(byte)).join(' ');
}

/** One visible character, or the byte's number. */
export function showByte(byte: number): string {
  if (byte === 10) return '⏎';
  if (byte === 32) return '␣';
  return byte > 32 && byte < 127 ? String.fromCharCode(byte) : byte.toString(16).padStart(2, '0').toUpperCase();
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
