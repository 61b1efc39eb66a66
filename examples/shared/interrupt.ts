// Ctrl-C and a polite kill: the program finishes its step, saves, and leaves; a second one makes it leave at once.
// SPDX-License-Identifier: Apache-2.0
import {constants} from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** One Ctrl-C may arrive twice, from the terminal and relayed by npm. In this time, in milliseconds, the same signal counts once. */
const RELAY = 500;

/** What a loop asks after each step. */
export interface Interrupt {
  /** The exit code that the first signal calls for, 128 + its number; undefined while there was none. */
  readonly exitCode: number | undefined;
  /** Gives the signals back to Node, which then ends the process at once. */
  dispose(): void;
}

/**
 * Listens for SIGINT and SIGTERM. The loop must let the event loop turn now and then, or no signal arrives.
 *
 * @param onFirst Is told of the first signal, for instance to say that the program is about to stop.
 */
export function listenForInterrupt(onFirst: (signal: NodeJS.Signals) => void): Interrupt {
  let exitCode: number | undefined;
  let since = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    const code = 128 + constants.signals[signal];
    if (exitCode === code && performance.now() - since < RELAY) return;
    if (exitCode !== undefined) process.exit(code);
    exitCode = code;
    since = performance.now();
    onFirst(signal);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    get exitCode() {
      return exitCode;
    },
    dispose() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
