// What a trial leaves on the disk beside its program's own files: how far it came, and how it died.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {RUN_FILES} from '../shared/output-folder.js';
import {loadJson, saveJson} from '../shared/results.js';

/** After so many deaths a trial is given up. */
export const MAX_DEATHS = 3;

/** What the program writes to its standard output and standard error. */
export const LOG = 'log.txt';
const STATE = 'trial.json';

/** A trial, or a part of one up to a rung, that is done. */
export interface Reached {
  /** The value of the option that halving raises; null without halving. */
  until: number | null;
  /** Of the program's result. */
  figures: Record<string, unknown>;
}

/** What is known of a trial. */
export interface TrialState {
  /** Where it is on its way to; undefined before its first start. */
  sentTo?: number | null;
  reached: Reached[];
  /** The last words of each process that died. */
  deaths: string[];
}

/** Reads what is known of the trial in a folder. */
export async function loadTrial(folder: string): Promise<TrialState> {
  const path = join(folder, STATE);
  if (!existsSync(path)) return {reached: [], deaths: []};
  return (await loadJson(path)) as unknown as TrialState;
}

/** Replaces what is known of the trial, as a whole. */
export async function saveTrial(folder: string, state: TrialState): Promise<void> {
  await mkdir(folder, {recursive: true});
  await saveJson(join(folder, STATE), state);
}

/** The program's result in a folder, if its run is finished. */
export async function loadResult(
  folder: string,
): Promise<{settings: Record<string, unknown>; figures: Record<string, unknown>} | undefined> {
  const path = join(folder, RUN_FILES.result);
  if (!existsSync(path)) return undefined;
  return (await loadJson(path)) as Awaited<ReturnType<typeof loadResult>>;
}

/**
 * A figure of a result.
 *
 * @param name `testLoss`, or with dots the way to it.
 * @throws ValueError if there is no finite number of that name; it says which there are.
 */
export function figureOf(figures: Record<string, unknown>, name: string): number {
  const value = name
    .split('.')
    .reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], figures);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new ValueError(
    `sweep: the result has no number ${name}${value === undefined ? '' : `, it has ${JSON.stringify(value)}`}. ` +
      `Its numbers are: ${listNumbers(figures).join(', ')}.`,
  );
}

function listNumbers(figures: object, prefix = ''): string[] {
  return Object.entries(figures).flatMap(([name, value]) => {
    if (typeof value === 'number') return [prefix + name];
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? listNumbers(value, `${prefix}${name}.`)
      : [];
  });
}
