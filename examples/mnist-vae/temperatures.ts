// How much each method depends on its temperature: finished runs that differ in it, as a table and a figure.
// SPDX-License-Identifier: Apache-2.0
import {ESTIMATORS} from 'tfjs-moe/estimators';
import type {TopLevelSpec} from 'vega-lite';
import type {FinishedRun} from '../shared/finished-runs.js';
import {formatTable} from '../shared/table.js';
import {SIZES} from './presets.js';
import type {Figures} from './run.js';
import type {Settings} from './settings.js';
import type {EpochRecord} from './training.js';

type Run = Pick<FinishedRun<Settings, Figures, EpochRecord>, 'settings' | 'figures'>;

/** A method at a temperature: the runs that differ in nothing but their seeds. */
export interface TemperaturePoint {
  size: string;
  /** The estimator, with those of the other settings in which the runs of a size and an estimator differ. */
  method: string;
  temperature: number;
  /** The mean of the runs, in nats a digit. */
  trainNegativeElbo: number;
  seeds: number;
}

/** The file of the figure, in the folder that is compared. */
export const TEMPERATURES = 'temperatures.svg';

/** The settings that tell methods apart, in words. */
const OTHERS = [
  ['numSamples', ({numSamples}: Settings) => `K = ${numSamples}`],
  ['optimizer', ({optimizer}: Settings) => optimizer],
  ['learningRate', ({learningRate}: Settings) => `rate ${learningRate}`],
  ['epochs', ({epochs}: Settings) => `${epochs} epochs`],
  ['batchSize', ({batchSize}: Settings) => `batches of ${batchSize}`],
  ['limit', ({limit}: Settings) => (limit === null ? 'all digits' : `${limit} digits`)],
] as const;

/** The runs by size, method and temperature; none where no method has several temperatures. */
export function temperaturePoints(runs: readonly Run[]): TemperaturePoint[] {
  const methodOf = methodNames(runs);
  const points = new Map<string, TemperaturePoint & {sum: number}>();
  for (const {settings, figures} of runs) {
    const [method, {size, temperature}] = [methodOf(settings), settings];
    const key = JSON.stringify([size, method, temperature]);
    const {sum, seeds} = points.get(key) ?? {sum: 0, seeds: 0};
    const total = sum + figures.trainNegativeElbo;
    const mean = total / (seeds + 1);
    points.set(key, {size, method, temperature, trainNegativeElbo: mean, seeds: seeds + 1, sum: total});
  }
  const found = [...points.values()].map(({sum: _, ...point}) => point);
  const methods = new Set(found.map(({size, method}) => `${size} ${method}`));
  if (methods.size === found.length) return [];
  const order = (size: string) => (SIZES as readonly string[]).indexOf(size);
  return found.sort((a, b) => order(a.size) - order(b.size) || a.size.localeCompare(b.size));
}

function methodNames(runs: readonly Run[]): (settings: Settings) => string {
  const varies = ([name]: (typeof OTHERS)[number], {size, estimator}: Settings) => {
    const alike = runs.filter(({settings}) => settings.size === size && settings.estimator === estimator);
    return new Set(alike.map(({settings}) => settings[name])).size > 1;
  };
  return settings => {
    const others = OTHERS.filter(other => varies(other, settings)).map(([, describe]) => describe(settings));
    return [ESTIMATORS[settings.estimator].title, ...others].join(', ');
  };
}

/** A row a size and method, a column a temperature. */
export function describeTemperatures(points: readonly TemperaturePoint[]): string {
  const temperatures = [...new Set(points.map(({temperature}) => temperature))].sort((a, b) => a - b);
  const rows = [...new Set(points.map(({size, method}) => `${size}, ${method}`))].map(name => {
    const of = (t: number) => points.find(p => `${p.size}, ${p.method}` === name && p.temperature === t);
    return [name, ...temperatures.map(t => of(t)?.trainNegativeElbo.toFixed(2) ?? '')];
  });
  return formatTable(['train -ELBO at temperature', ...temperatures.map(String)], rows);
}

/** A panel a size: the bound of the last epoch against the temperature, a line a method. */
export function temperatureChart(points: readonly TemperaturePoint[]): TopLevelSpec {
  const several = points.some(({seeds}) => seeds > 1) ? ' and of the seeds' : '';
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: 'Training bound and temperature',
      subtitle: `MNIST VAE, categories x latents, mean of the last epoch${several}`,
      anchor: 'start',
      fontSize: 14,
      subtitlePadding: 4,
    },
    background: 'white',
    data: {values: [...points]},
    facet: {
      field: 'size',
      type: 'nominal',
      title: null,
      sort: [...new Set(points.map(({size}) => size))],
      header: {labelFontSize: 13},
    },
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
          sort: [...new Set(points.map(({method}) => method))],
          legend: {orient: 'right'},
        },
      },
    },
    config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 12, labelLimit: 0}},
  };
}
