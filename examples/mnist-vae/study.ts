// The temperature study: how much each estimator depends on its temperature, as a list of short runs and a figure.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {ESTIMATORS, type EstimatorName} from 'tfjs-moe/estimators';
import type {TopLevelSpec} from 'vega-lite';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {loadJson} from '../shared/results.js';
import {formatTable} from '../shared/table.js';
import type {Settings} from './settings.js';

/** The methods of the paper. */
const METHODS: readonly EstimatorName[] = [
  'straightThroughGumbelSoftmax',
  'gumbelRao',
  'gappedStraightThrough',
  'straightThrough',
  'reinmax',
];
const SIZES = ['8x4', '4x24', '8x16', '16x12'] as const;
const TEMPERATURES = [0.1, 0.3, 0.5, 0.7, 1, 1.3, 1.5] as const;
const CHART = 'temperature-study.svg';
/** Of each run, unless the user says otherwise. */
export const STUDY_EPOCHS = 2;

/** A run of the study. */
export interface StudyRun {
  size: string;
  estimator: EstimatorName;
  temperature: number;
}

/** All runs, the sizes in turn, so that a study that was stopped has whole panels. */
export const STUDY_RUNS: readonly StudyRun[] = SIZES.flatMap(size =>
  METHODS.flatMap(estimator => TEMPERATURES.map(temperature => ({size, estimator, temperature}))),
);

/**
 * Makes the runs that are not finished, each in a folder of its own, and draws the figure of those that are.
 *
 * @param train Trains in a folder, going on where a run was stopped; false if it was stopped again.
 */
export async function runStudy(
  folder: string,
  seed: number,
  train: (run: StudyRun, output: string, resume: boolean) => Promise<boolean>,
): Promise<void> {
  const runs = STUDY_RUNS.map(run => ({...run, output: join(folder, nameOf(run, seed))}));
  for (const [i, {output, ...run}] of runs.entries()) {
    if (existsSync(join(output, RUN_FILES.result))) continue;
    console.log(`\nrun ${i + 1} of ${runs.length}: ${nameOf(run, seed)}`);
    if (!(await train(run, output, existsSync(join(output, RUN_FILES.checkpoint))))) break;
  }
  const points = await Promise.all(
    runs.filter(({output}) => existsSync(join(output, RUN_FILES.result))).map(({output}) => readPoint(output)),
  );
  if (points.length === 0) return;
  await saveChart(join(folder, CHART), studyChart(points));
  console.log(`\n${describeStudy(points)}\n\n${points.length} of ${runs.length} runs, in ${join(folder, CHART)}`);
}

/** The folder of a run. */
function nameOf({size, estimator, temperature}: StudyRun, seed: number): string {
  return `${size}-${estimator}-t${temperature}-seed${seed}`;
}

/** A finished run as a point of the figure. */
export interface StudyPoint extends StudyRun {
  epochs: number;
  trainNegativeElbo: number;
}

async function readPoint(output: string): Promise<StudyPoint> {
  const result = await loadJson(join(output, RUN_FILES.result));
  const {size, estimator, temperature, epochs} = result!.settings as Settings;
  return {size, estimator, temperature, epochs, ...(result!.figures as {trainNegativeElbo: number})};
}

/** A row a size and method, a column a temperature. */
export function describeStudy(points: readonly StudyPoint[]): string {
  const temperatures = [...new Set(points.map(({temperature}) => temperature))].sort((a, b) => a - b);
  const rows = [...new Set(points.map(({size, estimator}) => `${size} ${estimator}`))].map(name => {
    const of = (t: number) => points.find(p => `${p.size} ${p.estimator}` === name && p.temperature === t);
    return [name, ...temperatures.map(t => of(t)?.trainNegativeElbo.toFixed(2) ?? '')];
  });
  return formatTable(['train -ELBO at temperature', ...temperatures.map(String)], rows);
}

/** A panel a size: the bound of the last epoch against the temperature, a line a method. */
export function studyChart(points: readonly StudyPoint[]): TopLevelSpec {
  const epochs = [...new Set(points.map(point => point.epochs))].join(', ');
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: 'Training bound and temperature',
      subtitle: `MNIST VAE, categories x latents, mean of the last of ${epochs} epochs`,
      anchor: 'start',
      fontSize: 14,
      subtitlePadding: 4,
    },
    background: 'white',
    data: {values: points.map(({estimator, ...point}) => ({...point, method: ESTIMATORS[estimator].title}))},
    facet: {field: 'size', type: 'nominal', title: null, sort: [...SIZES], header: {labelFontSize: 13}},
    columns: 2,
    resolve: {scale: {y: 'independent'}},
    spec: {
      width: 300,
      height: 220,
      mark: {type: 'line', point: true},
      encoding: {
        x: {field: 'temperature', type: 'quantitative', title: 'Temperature', axis: {grid: false}},
        y: {field: 'trainNegativeElbo', type: 'quantitative', title: '-ELBO (nats a digit)', scale: {zero: false}},
        color: {
          field: 'method',
          type: 'nominal',
          title: null,
          sort: METHODS.map(name => ESTIMATORS[name].title),
          legend: {orient: 'right'},
        },
      },
    },
    config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 12, labelLimit: 0}},
  };
}
