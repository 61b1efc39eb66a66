// Makes a run ready: the backend, the table, and the settings, which a run that is taken up must have again.
// SPDX-License-Identifier: Apache-2.0
import type {BackendName} from 'tfjs-moe/node';
import {loadNasBenchTable} from '../data/nas-bench-table.js';
import {startBackend} from '../shared/backend.js';
import {checkSameSettings} from '../shared/checkpoint.js';
import type {Options} from './options.js';
import {createProblem, type Problem} from './problem.js';
import type {Settings} from './settings.js';
import {createSyntheticTable} from './synthetic-table.js';

/** Of the table that stands in where there is none. */
const SYNTHETIC_SEED = 1;

/**
 * Takes the settings from the options, or from a checkpoint, with which the options must then agree.
 *
 * @param given The options that the user typed.
 */
export async function prepare(
  options: Options,
  given: Partial<Options>,
  saved: Settings | undefined,
): Promise<{settings: Settings; problem: Problem}> {
  const chosen: Options = saved ? {...options, ...toOptions(saved), ...given} : options;
  const backend = await startBackend(chosen);
  // A run that goes on must have the table that it had, whatever the environment says now.
  const table =
    saved && saved.dataDir === null && given.dataDir === undefined
      ? undefined
      : await loadNasBenchTable({dataDir: chosen.dataDir, environment: !saved});
  const {source} = table ?? createSyntheticTable(SYNTHETIC_SEED);
  const {methods, space, objective, seeds, seed, evaluations, learningRate = null} = chosen;
  const settings: Settings = {
    methods,
    space,
    objective,
    seeds,
    seed,
    evaluations,
    learningRate,
    backend,
    trainingKernels: backend === 'wasm' && chosen.trainingKernels,
    data: source,
    dataDir: table?.folder ?? null,
  };
  if (saved) checkSameSettings({...saved}, {...settings});
  console.log(table ? source : `No table is at hand (--data-dir): the accuracies are ${source}.`);
  return {settings, problem: createProblem(table ?? createSyntheticTable(SYNTHETIC_SEED), space, objective)};
}

/** The options under which the run was started. */
function toOptions({backend, data: _, dataDir, learningRate, ...same}: Settings): Partial<Options> {
  return {
    ...same,
    backend: backend as BackendName,
    ...(dataDir !== null && {dataDir}),
    ...(learningRate !== null && {learningRate}),
  };
}
