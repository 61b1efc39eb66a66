// Several finished runs side by side: a chart, and a table in words.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {ESTIMATORS} from 'tfjs-moe/estimators';
import type {TopLevelSpec} from 'vega-lite';
import {saveChart} from '../shared/charts.js';
import {COMPARISON, type FinishedRun, readFinishedRuns} from '../shared/finished-runs.js';
import {formatTable} from '../shared/table.js';
import type {Figures} from './run.js';
import {PROGRAM, type Settings} from './settings.js';
import {describeTemperatures, TEMPERATURES, temperatureChart, temperaturePoints} from './temperatures.js';
import type {EpochRecord} from './training.js';

type Run = FinishedRun<Settings, Figures, EpochRecord>;

/** Of a run, this part at its start is left out of the chart: it would flatten the rest. */
const LEFT_OUT = 0.05;

/** Draws the runs below a folder, and prints what each found; the best of each size first. */
export async function compare(folder: string): Promise<void> {
  const runs: Run[] = await readFinishedRuns(PROGRAM, folder);
  runs.sort(
    (a, b) =>
      a.settings.size.localeCompare(b.settings.size) || a.figures.trainNegativeElbo - b.figures.trainNegativeElbo,
  );
  const headings = ['', 'seed', 'epochs', 'train -ELBO', 'KL', 'test -ELBO', 'seconds'];
  console.log(formatTable(headings, runs.map(describeRun)));
  console.log('\nIn nats a digit; train -ELBO and KL are the means of the last epoch.');
  const path = join(folder, COMPARISON);
  await saveChart(path, comparisonChart(runs));
  console.log(`The chart is ${path}.`);
  const points = temperaturePoints(runs);
  if (points.length === 0) return;
  const figure = join(folder, TEMPERATURES);
  await saveChart(figure, temperatureChart(points));
  console.log(`\n${describeTemperatures(points)}\n\nThe figure is ${figure}.`);
}

function describeRun({settings, figures, trainingSeconds}: Run): string[] {
  return [
    `${settings.size}, ${labelOf(settings)}`,
    String(settings.seed),
    String(settings.epochs),
    ...[figures.trainNegativeElbo, figures.trainKl, figures.testNegativeElbo].map(nats => nats.toFixed(2)),
    trainingSeconds.toFixed(0),
  ];
}

function labelOf({estimator, temperature}: Settings): string {
  return `${ESTIMATORS[estimator].title}, τ = ${temperature}`;
}

/** A panel a size: the bound on training digits over the epochs, a curve a run. */
export function comparisonChart(runs: readonly Run[]): TopLevelSpec {
  const values = runs.flatMap(({settings, history}, run) =>
    history
      .filter(({epoch}) => epoch > LEFT_OUT * settings.epochs)
      .map(({epoch, trainNegativeElbo}) => ({
        run,
        size: settings.size,
        label: labelOf(settings),
        epoch,
        nats: trainNegativeElbo,
      })),
  );
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {text: 'MNIST VAE: categories x latents, one curve a run', anchor: 'start', fontSize: 14},
    background: 'white',
    data: {values},
    facet: {field: 'size', type: 'nominal', title: null, header: {labelFontSize: 13}},
    columns: 2,
    resolve: {scale: {y: 'independent'}},
    spec: {
      width: 420,
      height: 260,
      mark: {type: 'line'},
      encoding: {
        x: {field: 'epoch', type: 'quantitative', title: 'Epoch', axis: {grid: false}},
        y: {
          field: 'nats',
          type: 'quantitative',
          title: 'Training \u2212ELBO (nats a digit)',
          scale: {zero: false},
        },
        detail: {field: 'run'},
        color: {
          field: 'label',
          type: 'nominal',
          title: null,
          sort: [...new Set(values.map(({label}) => label))],
          legend: {orient: 'right'},
        },
      },
    },
    config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 12, labelLimit: 0}},
  };
}
