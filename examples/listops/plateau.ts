// Lowers the learning rate when the validation no longer gets better, as PyTorch's ReduceLROnPlateau does for a figure that is to rise.
// SPDX-License-Identifier: Apache-2.0

/** Where the schedule stands; all of it is JSON. */
export interface PlateauState {
  /** The rate of the next step. */
  learningRate: number;
  /** The highest figure so far; null before the first. */
  best: number | null;
  /** Validations since the highest or since the rate was lowered. */
  badValidations: number;
}

/** When to lower the rate, and how far. */
export interface PlateauOptions {
  /** The rate is multiplied by it. */
  factor: number;
  /** So many validations in a row may bring nothing better; at the next one the rate falls. */
  patience: number;
  /** Better is what exceeds the highest by more than this share of it. PyTorch's default. */
  threshold?: number;
}

/** PyTorch leaves the rate alone where it would change by less. */
const LEAST_CHANGE = 1e-8;

/** The state before the first validation. */
export function startPlateau(learningRate: number): PlateauState {
  return {learningRate, best: null, badValidations: 0};
}

/** The state after a validation found `figure`. */
export function afterValidation(
  {learningRate, best, badValidations}: PlateauState,
  figure: number,
  {factor, patience, threshold = 1e-4}: PlateauOptions,
): PlateauState {
  if (best === null || figure > best * (1 + threshold)) return {learningRate, best: figure, badValidations: 0};
  if (badValidations < patience) return {learningRate, best, badValidations: badValidations + 1};
  const lowered = learningRate * factor;
  return {learningRate: learningRate - lowered > LEAST_CHANGE ? lowered : learningRate, best, badValidations: 0};
}
