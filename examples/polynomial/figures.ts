// What a finished run found, in numbers and in words.
// SPDX-License-Identifier: Apache-2.0
import {optimalLoss, startLoss, type Target} from './problem.js';
import type {Run} from './run-state.js';
import type {Settings} from './settings.js';
import {stepsOfLine} from './training.js';

/** What a run found. */
export interface Figures {
  /** Mean training loss of the last steps, those of the last line of the history. */
  trainingLoss: number;
  /** Of the last probabilities, by the closed form. */
  expectedLoss: number;
  /** Mean over the bits of the last probability to be 1. */
  meanProbability: number;
  /** The expected loss of fair bits. */
  startLoss: number;
  /** The least expected loss that there is. */
  optimalLoss: number;
  /** How often a step evaluates the loss of an example. */
  evaluations: number;
  steps: number;
  /** Expected loss after so many steps. */
  curve: {step: number[]; expectedLoss: number[]};
}

/** The figures of a run that is complete. */
export function figuresOf({settings, state}: Pick<Run, 'settings' | 'state'>): Figures {
  const {history, initialLoss, evaluations, step} = state;
  const {trainingLoss, expectedLoss, meanProbability} = history.at(-1)!;
  return {
    trainingLoss,
    expectedLoss,
    meanProbability,
    startLoss: startLoss(settings),
    optimalLoss: optimalLoss(settings),
    evaluations,
    steps: step,
    curve: {
      step: [0, ...history.map(line => line.step)],
      expectedLoss: [initialLoss!, ...history.map(line => line.expectedLoss)],
    },
  };
}

/** How much of the way from fair bits to the optimum is behind a loss, in percent. */
export function describeWay(
  expectedLoss: number,
  {startLoss, optimalLoss}: Pick<Figures, 'startLoss' | 'optimalLoss'>,
) {
  return `${((100 * (startLoss - expectedLoss)) / (startLoss - optimalLoss)).toFixed(1)} %`;
}

/** In words; training and --evaluate print the same lines. */
export function describeFigures(figures: Figures, settings: Pick<Settings, 'reportEvery'>): string {
  const {trainingLoss, expectedLoss, meanProbability, startLoss, optimalLoss, steps} = figures;
  return `\
training loss ${trainingLoss.toFixed(6)}, the mean of the last ${stepsOfLine(steps, settings).toLocaleString('en-US')} steps
expected loss ${expectedLoss.toFixed(6)}: ${describeWay(expectedLoss, figures)} of the way from ${startLoss.toFixed(6)} to ${optimalLoss.toFixed(6)} at the optimum
mean probability ${meanProbability.toFixed(4)}`;
}

/** What the bits are compared with, in words. */
export const describeTarget = (target: Target) => (target === 'linear' ? 'c from 0 to 1' : `c = ${target}`);
