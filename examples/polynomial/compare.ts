// Several finished runs side by side: a chart, and a table for each problem.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {saveChart} from '../shared/charts.js';
import {COMPARISON, readFinishedRuns} from '../shared/finished-runs.js';
import {formatTable} from '../shared/table.js';
import {runChart} from './chart.js';
import {describeTarget, describeWay} from './figures.js';
import {deviation, type Finished, type Method, mean, meanOf, type Panel, panelsOf} from './panels.js';
import {PROGRAM} from './settings.js';

const HEADINGS = [
  '',
  'seeds',
  'training loss',
  '+-',
  'expected loss',
  'way to the optimum',
  'mean pi',
  'evaluations',
  'ms a step',
];

/** Draws the runs below a folder, and prints what they found, the best of each problem first. */
export async function compare(folder: string): Promise<void> {
  const panels = panelsOf(await readFinishedRuns(PROGRAM, folder));
  console.log(describePanels(panels));
  console.log(`
training loss: the mean of the last steps, and over the seeds with its standard deviation. expected loss and mean pi, the mean probability to
be 1: at the end, by the closed form.`);
  const path = join(folder, COMPARISON);
  await saveChart(path, runChart(panels));
  console.log(`\nThe chart is ${path}.`);
}

/** The tables. */
export function describePanels(panels: readonly Panel[]): string {
  return panels.map(describePanel).join('\n\n');
}

function describePanel({startLoss, optimalLoss, methods, ...panel}: Panel): string {
  const heading =
    `p = ${panel.p}, ${describeTarget(panel.target)}, ${panel.latents} bits, batch ${panel.batchSize}: ` +
    `from ${startLoss.toFixed(6)} to ${optimalLoss.toFixed(6)} at the optimum`;
  const rows = methods.map(method => describeMethod(method, {startLoss, optimalLoss}));
  return `${heading}\n${formatTable(HEADINGS, rows)}`;
}

function describeMethod({label, runs}: Method, ends: Pick<Panel, 'startLoss' | 'optimalLoss'>): string[] {
  const spread = deviation(runs.map(({figures}) => figures.trainingLoss));
  const expected = meanOf(runs, 'expectedLoss');
  const milliseconds = ({trainingSeconds, settings}: Finished) => (1000 * trainingSeconds) / settings.steps;
  return [
    label,
    String(runs.length),
    meanOf(runs, 'trainingLoss').toFixed(6),
    spread === undefined ? '' : spread.toFixed(6),
    expected.toFixed(6),
    describeWay(expected, ends),
    meanOf(runs, 'meanProbability').toFixed(4),
    String(runs[0]!.figures.evaluations),
    mean(runs.map(milliseconds)).toFixed(2),
  ];
}
