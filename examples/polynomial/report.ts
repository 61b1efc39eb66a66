// What the finished runs found, on the terminal and in the files of the output folder.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {saveJsonLines} from '../shared/results.js';
import {formatTable} from '../shared/table.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {titleOf} from './methods.js';
import {deviation, mean, type Panel, panelsOf, type RunRecord} from './record.js';
import {PROGRAM, type Settings} from './settings.js';

/** Prints the tables and writes the results; `result.json` comes last and says that all runs are finished. */
export async function report(
  output: string,
  settings: Settings,
  runs: readonly RunRecord[],
  state: {step: number; seconds: number; secondsBefore: number},
): Promise<void> {
  const panels = panelsOf(runs);
  await saveJsonLines(join(output, RUN_FILES.history), runs);
  await saveChart(join(output, RUN_FILES.chart), runChart(panels));
  const figures = panels.map(({methods, ...panel}) => ({
    ...panel,
    estimators: methods.map(method => ({estimator: method.name, ...summaryOf(method)})),
  }));
  await saveResult(output, {program: PROGRAM, settings, figures: {panels: figures}, state});
  console.log(`\n${describeRuns(runs)}\n`);
  console.log(`${runs.length} runs in ${state.seconds.toFixed(1)} s; results in ${output}`);
}

/** The tables. */
export function describeRuns(runs: readonly RunRecord[]): string {
  return panelsOf(runs).map(describePanel).join('\n\n');
}

type OfMethod = Panel['methods'][number];

/** Means over the runs of an estimator, which differ in their seeds. */
function summaryOf({runs}: OfMethod) {
  const figures = runs.map(run => run.figures);
  const losses = figures.map(({trainingLoss}) => trainingLoss);
  return {
    runs: runs.length,
    trainingLoss: mean(losses),
    deviation: deviation(losses) ?? null,
    expectedLoss: mean(figures.map(({expectedLoss}) => expectedLoss)),
    meanProbability: mean(figures.map(({meanProbability}) => meanProbability)),
    evaluations: figures[0]!.evaluations,
    millisecondsPerStep: mean(runs.map(({seconds, settings}) => (1000 * seconds) / settings.steps)),
  };
}

const HEADINGS = [
  '',
  'training loss',
  '+-',
  'expected loss',
  'way to the optimum',
  'mean pi',
  'evaluations',
  'ms a step',
];

function describePanel({startLoss, optimalLoss, methods, ...panel}: Panel): string {
  const rows = methods.map(method => {
    const {trainingLoss, deviation, expectedLoss, meanProbability, evaluations, millisecondsPerStep} =
      summaryOf(method);
    const way = (startLoss - expectedLoss) / (startLoss - optimalLoss);
    return [
      titleOf(method.settings.estimator),
      trainingLoss.toFixed(6),
      deviation === null ? '' : deviation.toFixed(6),
      expectedLoss.toFixed(6),
      `${(100 * way).toFixed(1)} %`,
      meanProbability.toFixed(4),
      String(evaluations),
      millisecondsPerStep.toFixed(2),
    ];
  });
  const target = panel.target === 'linear' ? 'c from 0 to 1' : `c = ${panel.target}`;
  const seeds = methods[0]!.runs.length;
  const heading =
    `p = ${panel.p}, ${target}, ${panel.latents} bits, batch ${panel.batchSize}, ${seeds} ${seeds === 1 ? 'seed' : 'seeds'}: ` +
    `from ${startLoss.toFixed(6)} to ${optimalLoss.toFixed(6)} at the optimum`;
  return `${heading}\n${formatTable(HEADINGS, rows)}`;
}
