// A run that is asked to go on for longer than it was started for: when it can, and what of it was cut short by its former end.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import {checkSameSettings} from './checkpoint.js';

/** How long a run is, and what hangs on it. */
export interface RunLength {
  /** The setting that says it, and the option of the same name. */
  name: 'epochs' | 'steps' | 'updates';
  /** How many of them are done, with the part of the one under way. */
  done: number;
  /** What follows a schedule over the whole length, as the subject and verb of a sentence; absent where nothing does. */
  schedule?: string;
}

/**
 * Refuses to go on under settings that differ from those of the checkpoint, but for the length: a run that goes on for longer must come to
 * what it would have been with that length from the start.
 *
 * @param saved The checkpoint's settings.
 * @param wanted The settings that the user asks for.
 * @throws ValueError for other settings, for a length that is over already, and for any other length where a schedule hangs on it.
 */
export function checkGoesOn(saved: object, wanted: object, {name, done, schedule}: RunLength): void {
  const before = {...saved} as Record<string, unknown>;
  const after = {...wanted} as Record<string, unknown>;
  const [from, to] = [before[name], after[name]];
  // Null where the run is measured in time instead, which is a setting like the others.
  const isOther = typeof from === 'number' && typeof to === 'number' && from !== to;
  checkSameSettings(isOther ? {...before, [name]: to} : before, after);
  if (!isOther) return;
  if (schedule !== undefined) {
    throw new ValueError(
      `--${name}: the run was started for ${from}, and ${schedule} over all of them, so that one of ${to} would have been another from ` +
        'its first step. Leave it out to finish the run, or start anew in another folder.',
    );
  }
  if (done > to) {
    const count = Number(done.toFixed(2)).toLocaleString('en-US');
    throw new ValueError(`--${name}: the run has gone through ${count} ${name} already, but got ${to}.`);
  }
}

/**
 * Takes back the last line of a history if the run's former end cut it short: a longer run would not have it. What the line sums up must
 * still stand in the state.
 *
 * @param every Steps of a line.
 */
export function reopenLastLine(history: {step: number}[], every: number): void {
  const last = history.at(-1);
  if (last !== undefined && last.step % every !== 0) history.pop();
}
