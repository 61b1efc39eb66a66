// Temperature schedules: pure functions of the step.
// SPDX-License-Identifier: Apache-2.0
import {checkCount, checkPositive, checkRange, ValueError} from '../errors.js';

/**
 * The temperature at a step. Steps count from 0; temperatures are dimensionless. A negative step and one that is not
 * finite are refused.
 */
export type Schedule = (step: number) => number;

/** Options of the schedules that go from one temperature to another. */
export interface RampOptions {
  /** Temperature at step 0, > 0. */
  from: number;
  /** Temperature from step `steps` on, > 0. */
  to: number;
  /** Number of steps that the way takes, a whole number of at least 1. */
  steps: number;
}

/** Options of `exponentialSchedule`. */
export interface ExponentialOptions {
  /** Temperature at step 0, > 0. */
  from: number;
  /** Decay for each step, at least 0: in 1 / rate steps the temperature falls to 37%. */
  rate: number;
  /** The temperature does not fall below this, > 0 and at most `from`. */
  minimum: number;
  /** The temperature changes once in so many steps, a whole number of at least 1. Default 1. */
  every?: number;
}

function checkStep(owner: string, step: number): void {
  checkRange(owner, 'step', step, 0);
}

function checkRamp(owner: string, {from, to, steps}: RampOptions): void {
  checkPositive(owner, 'from', from);
  checkPositive(owner, 'to', to);
  checkCount(owner, 'steps', steps, 1);
}

/**
 * The same temperature at each step.
 *
 * @param value Temperature, > 0.
 * @throws ValueError if it is not a positive finite number.
 */
export function constantSchedule(value: number): Schedule {
  checkPositive('constantSchedule', 'value', value);
  return step => {
    checkStep('constantSchedule', step);
    return value;
  };
}

/**
 * A straight line: from + (to - from) * step / steps, and `to` from step `steps` on.
 *
 * @throws ValueError for temperatures that are not positive finite numbers, and for a bad number of steps.
 * @example
 * linearSchedule({from: 2, to: 1, steps: 100})(25); // => 1.75
 */
export function linearSchedule({from, to, steps}: RampOptions): Schedule {
  checkRamp('linearSchedule', {from, to, steps});
  return step => {
    checkStep('linearSchedule', step);
    return step >= steps ? to : from + (to - from) * (step / steps);
  };
}

/**
 * Half a period of a cosine: to + (from - to) * (1 + cos(pi * step / steps)) / 2, and `to` from step `steps` on. It
 * leaves `from` slowly and comes to `to` slowly.
 *
 * @throws ValueError for temperatures that are not positive finite numbers, and for a bad number of steps.
 * @see Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, eq. 5.
 *   https://arxiv.org/abs/1608.03983
 * @example
 * cosineSchedule({from: 2, to: 1, steps: 100})(50); // => 1.5
 */
export function cosineSchedule({from, to, steps}: RampOptions): Schedule {
  checkRamp('cosineSchedule', {from, to, steps});
  return step => {
    checkStep('cosineSchedule', step);
    return step >= steps ? to : to + ((from - to) * (1 + Math.cos((Math.PI * step) / steps))) / 2;
  };
}

/**
 * Exponential decay with a floor, in stairs: max(minimum, from * exp(-rate * s)) with s the last multiple of `every` up
 * to the step.
 *
 * Jang, Gu and Poole take from 1, minimum 0.5, every 500 or 1000 steps, and a rate of 1e-5 or 1e-4.
 *
 * @throws ValueError for temperatures that are not positive finite numbers or a minimum above `from`, a negative rate,
 *   and a bad `every`.
 * @see Jang, Gu and Poole, Categorical Reparameterization with Gumbel-Softmax, 2017, section 4.
 *   https://arxiv.org/abs/1611.01144
 */
export function exponentialSchedule({from, rate, minimum, every = 1}: ExponentialOptions): Schedule {
  const owner = 'exponentialSchedule';
  checkPositive(owner, 'from', from);
  checkRange(owner, 'rate', rate, 0);
  checkPositive(owner, 'minimum', minimum);
  checkCount(owner, 'every', every, 1);
  if (minimum > from) throw new ValueError(`${owner}: minimum (=${minimum}) must not exceed from (=${from}).`);
  return step => {
    checkStep(owner, step);
    return Math.max(minimum, from * Math.exp(-rate * Math.floor(step / every) * every));
  };
}
