// Waits that leave no timer behind: a timer that still runs would hold the process.
// SPDX-License-Identifier: Apache-2.0
import {setTimeout} from 'node:timers/promises';

/** Waits for so long in milliseconds, or until it is stopped. */
export async function nap(milliseconds: number, stop: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, {signal: stop}).catch(() => {});
}

/** Waits until the work is done, but not longer than so many milliseconds. */
export async function atMost(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController();
  try {
    await Promise.race([work, nap(milliseconds, done.signal)]);
  } finally {
    done.abort();
  }
}

/** Resolves when the signal comes, at once if it has come. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), {once: true});
  });
}
