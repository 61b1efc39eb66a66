// Checks the state that a score-function estimator is given.
// SPDX-License-Identifier: Apache-2.0
import {show, ValueError} from '../../errors.js';
import type {ScoreState} from './types.js';

/**
 * The state as what the estimator works with, or undefined where none is given.
 *
 * @param type The class that the state must be an instance of.
 * @param create The name of the function that makes one, for the message: a minifier may rename the class.
 * @throws ValueError for the state of another estimator, and for one that is disposed.
 */
export function checkState<T extends ScoreState>(
  owner: string,
  state: ScoreState | undefined,
  type: abstract new (...args: never) => T,
  create: string,
): T | undefined {
  if (state === undefined) return undefined;
  if (!(state instanceof type)) {
    throw new ValueError(`${owner}: state must be made by ${create}, but got ${show(state)}.`);
  }
  if (state.variables.some(variable => variable.isDisposed)) {
    throw new ValueError(`${owner}: the state is disposed; make another by ${create}.`);
  }
  return state;
}

/** Refuses a state where nothing lasts from call to call. */
export function checkNoState(owner: string, state: ScoreState | undefined): void {
  if (state !== undefined) {
    throw new ValueError(`${owner}: keeps no state, but got ${show(state)}; leave the option out.`);
  }
}
