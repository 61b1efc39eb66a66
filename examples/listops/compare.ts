// Several finished runs side by side: a chart, and a table in words.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {saveChart} from '../shared/charts.js';
import {COMPARISON, type FinishedRun, readFinishedRuns} from '../shared/finished-runs.js';
import {formatTable} from '../shared/table.js';
import {comparisonChart} from './chart.js';
import type {Measurement} from './measure.js';
import {describeData, describeMethod, type Figures} from './report.js';
import type {ValidationRecord} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';

type Finished = FinishedRun<Settings, Figures, ValidationRecord>;

const HEADINGS = ['', 'optimizer', 'seed', 'epochs', 'validation', 'test, last', 'test, best', 'F1', 'seconds'];

/** Draws the runs below a folder, and prints what each found; the best validation of each kind of data first. */
export async function compare(folder: string): Promise<void> {
  const runs: Finished[] = await readFinishedRuns(PROGRAM, folder);
  runs.sort(
    (a, b) =>
      describeData(a.settings).localeCompare(describeData(b.settings)) ||
      b.figures.best.validationAccuracy - a.figures.best.validationAccuracy,
  );
  console.log(formatTable(HEADINGS, runs.map(describeRun)));
  console.log(`
Accuracies in percent, with their standard errors. validation: the best one; last: by the weights at the end of the run, best: by those
of the best validation. F1: of the nodes of the last weights' trees with those that are right.`);
  const charted = runs.map(({settings, history}) => ({
    panel: describeData(settings),
    label: describeMethod(settings),
    history,
  }));
  const path = join(folder, COMPARISON);
  await saveChart(path, comparisonChart(charted));
  console.log(`\nThe chart is ${path}.`);
}

function describeRun({settings, figures, trainingSeconds}: Finished): string[] {
  const {optimizer, learningRate, seed} = settings;
  const {last, best} = figures;
  return [
    `${describeData(settings)}; ${describeMethod(settings)}`,
    `${optimizer} ${learningRate}`,
    String(seed),
    last.epoch.toFixed(1),
    percent(best.validationAccuracy),
    describeTest(last.test),
    describeTest(best.test),
    last.test.trees?.gold.micro.toFixed(1) ?? '-',
    trainingSeconds.toFixed(0),
  ];
}

const percent = (share: number) => (100 * share).toFixed(1);
const describeTest = ({accuracy, error}: Measurement) => `${percent(accuracy)} +- ${percent(error)}`;
