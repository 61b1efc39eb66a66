// How the options of this program alone become checked values.
// SPDX-License-Identifier: Apache-2.0
import {InvalidArgumentError} from 'commander';
import {listOf} from '../shared/list-option.js';
import {finiteNumber, wholeNumber} from '../shared/options.js';
import {type MethodChoice, parseMethod} from './methods.js';
import type {Target} from './problem.js';

/** Reads an estimator, with its temperature behind a colon. */
export function readMethod(text: string): MethodChoice {
  try {
    return parseMethod(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Reads how many seeds there are, or, where there is a comma, which. */
export function readSeeds(text: string): number | number[] {
  return text.includes(',') ? listOf(wholeNumber(0))(text) : wholeNumber(1)(text);
}

/** Reads what the bits are compared with: between 0 and 1, where the loss has a slope on both sides. */
export function readTarget(text: string): Target {
  if (text === 'linear') return text;
  const value = finiteNumber({above: 0})(text);
  if (value >= 1) throw new InvalidArgumentError('It must be linear, or a number between 0 and 1.');
  return value;
}
