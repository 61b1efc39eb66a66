// Several finished runs side by side: a chart, and a table in words.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {saveChart} from '../shared/charts.js';
import {COMPARISON, type FinishedRun, readFinishedRuns} from '../shared/finished-runs.js';
import {formatTable} from '../shared/table.js';
import {comparisonChart} from './chart.js';
import type {VaeProgram} from './program.js';
import type {Figures} from './report.js';
import type {HistoryRecord} from './run-state.js';
import type {Settings} from './settings.js';

type Finished<Own extends object> = FinishedRun<Settings & Own, Figures, HistoryRecord>;

const HEADINGS = ['', 'seed', 'updates', 'train -ELBO', 'valid', 'test', 'bound', 'variance', 'seconds'];

/** Draws the runs of a program below a folder, and prints what each found; the best of each panel first. */
export async function compare<Own extends object>(program: VaeProgram<Own>, folder: string): Promise<void> {
  const {name, panelOf, labelOf, chartTitle} = program;
  const runs: Finished<Own>[] = await readFinishedRuns(name, folder);
  runs.sort(
    (a, b) =>
      compareTexts(panelOf(a.settings), panelOf(b.settings)) ||
      a.figures.trainNegativeElbo - b.figures.trainNegativeElbo,
  );
  console.log(
    formatTable(
      HEADINGS,
      runs.map(run => describeRun(program, run)),
    ),
  );
  console.log(`
In nats an image. train -ELBO: the mean of each run's last updates, 1,000 where they are recorded; valid and test: -ELBO at the end;
bound: of importance weighting. variance: of the encoder's gradient. The seconds of runs that shared a machine do not compare.`);
  const charted = runs.map(({settings, history}) => ({panel: panelOf(settings), label: labelOf(settings), history}));
  const path = join(folder, COMPARISON);
  await saveChart(path, comparisonChart(charted, chartTitle));
  console.log(`\nThe chart is ${path}.`);
}

function describeRun<Own extends object>(
  {panelOf, labelOf}: VaeProgram<Own>,
  {settings, figures, trainingSeconds}: Finished<Own>,
): string[] {
  return [
    `${panelOf(settings)}, ${labelOf(settings)}`,
    String(settings.seed),
    settings.updates.toLocaleString('en-US'),
    ...[figures.trainNegativeElbo, figures.validNegativeElbo, figures.testNegativeElbo, figures.testNegativeBound].map(
      nats => nats.toFixed(2),
    ),
    figures.gradientVariance.toExponential(2),
    trainingSeconds.toFixed(0),
  ];
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
