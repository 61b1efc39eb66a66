// Several finished runs side by side: a chart, and a table in words.
// SPDX-License-Identifier: Apache-2.0
import {readdir, readFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {loadJson} from '../shared/results.js';
import {formatTable} from '../shared/table.js';
import {comparisonChart} from './chart.js';
import type {VaeProgram} from './program.js';
import type {Figures} from './report.js';
import type {HistoryRecord} from './run-state.js';
import type {Settings} from './settings.js';

/** Where the chart of a comparison goes, in the folder that is compared. */
export const COMPARISON = 'comparison.svg';

interface FinishedRun<Own extends object> {
  settings: Settings & Own;
  figures: Figures;
  trainingSeconds: number;
  history: HistoryRecord[];
}

const HEADINGS = ['', 'seed', 'updates', 'train -ELBO', 'valid', 'test', 'bound', 'variance', 'seconds'];

/** Draws the runs of a program below a folder, and prints what each found; the best of each panel first. */
export async function compare<Own extends object>(program: VaeProgram<Own>, folder: string): Promise<void> {
  const {name, panelOf, labelOf, chartTitle} = program;
  const runs = await readRuns<Own>(name, folder);
  if (runs.length === 0) throw new ValueError(`--compare: there is no finished run of ${name} below ${folder}.`);
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

async function readRuns<Own extends object>(program: string, folder: string): Promise<FinishedRun<Own>[]> {
  let files: string[];
  try {
    files = await readdir(folder, {recursive: true});
  } catch (error) {
    throw new ValueError(`--compare: ${folder} cannot be read: ${(error as Error).message}.`, {cause: error});
  }
  const results = files.filter(file => file === RUN_FILES.result || file.endsWith(`/${RUN_FILES.result}`)).sort();
  const runs: FinishedRun<Own>[] = [];
  for (const file of results) {
    const result = await loadJson(join(folder, file));
    if (result?.program !== program) continue;
    const text = await readFile(join(folder, dirname(file), RUN_FILES.history), 'utf8');
    const history = text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as HistoryRecord);
    runs.push({...(result as unknown as Omit<FinishedRun<Own>, 'history'>), history});
  }
  return runs;
}

function describeRun<Own extends object>(
  {panelOf, labelOf}: VaeProgram<Own>,
  {settings, figures, trainingSeconds}: FinishedRun<Own>,
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
