// Several finished runs side by side: a table of the cells, one of the estimators, and a chart.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import type {EstimatorName} from 'tfjs-moe/estimators';
import {saveChart} from '../shared/charts.js';
import {COMPARISON, type FinishedRun, readFinishedRuns} from '../shared/finished-runs.js';
import {formatTable} from '../shared/table.js';
import {comparisonChart} from './chart.js';
import {describeData, describeMethod, type Figures} from './report.js';
import type {EpochRecord} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';

type Finished = FinishedRun<Settings, Figures, EpochRecord>;

/** Runs that differ by their seed only. */
interface Group {
  data: string;
  method: string;
  runs: Finished[];
}

/** Table 4 of the ReinMax paper, CIFAR-10, test: GDAS as published, and with ReinMax; means and deviations in percent. */
const PUBLISHED: Partial<Record<EstimatorName, string>> = {
  straightThroughGumbelSoftmax: '93.23 +- 0.58',
  reinmax: '93.44 +- 0.23',
};

/** Draws the runs below a folder, and prints what each found, and each estimator. */
export async function compare(folder: string): Promise<void> {
  const runs: Finished[] = await readFinishedRuns(PROGRAM, folder);
  const groups = groupRuns(runs);
  const sorted = groups.flatMap(group => group.runs);
  console.log(
    formatTable(['', 'seed', 'cell', 'test', 'rank', 'validation', 'entropy', 'seconds'], sorted.map(describeRun)),
  );
  const headings = ['', 'runs', 'cells', 'test', 'published', 'collapsed'];
  console.log(`\n${formatTable(headings, groups.map(describeGroup))}`);
  console.log(`
In percent. test: of the cell found, trained by itself for 200 epochs on CIFAR-10, by the table of NAS-Bench-201, rank 1 of 15,625 being the
best; the mean over the runs and their deviation. published: the same by the full search (Liu et al. 2023). cells: different ones.
validation: of the cell with the weights of the search. collapsed: runs without a convolution on any way through the cell.`);
  const charted = sorted.map(({settings, history}) => ({
    panel: describeData(settings),
    label: describeMethod(settings),
    history,
  }));
  const path = join(folder, COMPARISON);
  await saveChart(path, comparisonChart(charted, 'The likeliest cell of a search, one curve a run'));
  console.log(`\nThe chart is ${path}.`);
}

/** By data and method, each group by seed. */
export function groupRuns<Run extends Pick<Finished, 'settings'>>(
  runs: readonly Run[],
): {data: string; method: string; runs: Run[]}[] {
  const groups = new Map<string, {data: string; method: string; runs: Run[]}>();
  for (const run of runs) {
    const [data, method] = [describeData(run.settings), describeMethod(run.settings)];
    const key = `${data}; ${method}`;
    const group = groups.get(key) ?? {data, method, runs: []};
    group.runs.push(run);
    groups.set(key, group);
  }
  for (const group of groups.values()) group.runs.sort((a, b) => a.settings.seed - b.settings.seed);
  return [...groups.entries()].sort(([a], [b]) => a.localeCompare(b)).map(([, group]) => group);
}

/** The mean, and the deviation of a sample where there are several. */
export function describeMean(values: readonly number[]): string {
  if (values.length === 0) return '-';
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length === 1) return mean.toFixed(2);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return `${mean.toFixed(2)} +- ${Math.sqrt(squares / (values.length - 1)).toFixed(2)}`;
}

function describeRun({settings, figures, trainingSeconds}: Finished): string[] {
  const {architecture, table, last} = figures;
  return [
    `${describeData(settings)}; ${describeMethod(settings)}`,
    String(settings.seed),
    architecture,
    table === null ? '-' : table.accuracies.cifar10.test.toFixed(2),
    table === null ? '-' : table.rank.cifar10.toLocaleString('en-US'),
    (100 * last.validationAccuracy).toFixed(1),
    last.entropy.toFixed(3),
    trainingSeconds.toFixed(0),
  ];
}

function describeGroup({data, method, runs}: Group): string[] {
  const {estimator} = runs[0]!.settings;
  return [
    `${data}; ${method}`,
    String(runs.length),
    String(new Set(runs.map(({figures}) => figures.architecture)).size),
    describeMean(runs.flatMap(({figures}) => figures.table?.accuracies.cifar10.test ?? [])),
    PUBLISHED[estimator] ?? '-',
    String(runs.filter(({figures}) => figures.hasCollapsed).length),
  ];
}
