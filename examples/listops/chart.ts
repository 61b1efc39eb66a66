// Pictures of one run and of several: the loss, and the accuracy on validation expressions, over the epochs.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import type {PositionFieldDef} from 'vega-lite/build/src/channeldef.js';
import type {ValidationRecord} from './run-state.js';

/** A curve of the comparison. */
export interface ChartedRun {
  /** What has a panel of its own. */
  panel: string;
  /** Runs with the same label have the same colour. */
  label: string;
  history: readonly ValidationRecord[];
}

const X: PositionFieldDef<string> = {field: 'epoch', type: 'quantitative', title: 'Epoch', axis: {grid: false}};
const SIZE = {width: 380, height: 260};
const FRAME = {
  $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
  background: 'white',
  config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 12, labelLimit: 0}},
} as const;
/** So many validations or more are a line without points. */
const MANY = 40;

/** A Vega-Lite specification of two panels over the epochs. */
export function runChart(history: readonly ValidationRecord[], title: string): TopLevelSpec {
  const panel = (y: string, train: keyof ValidationRecord, validation: keyof ValidationRecord, factor: number) =>
    ({
      ...SIZE,
      data: {
        values: history.flatMap(record => [
          {epoch: record.epoch, expressions: 'training, with dropout', value: factor * record[train]},
          {epoch: record.epoch, expressions: 'validation', value: factor * record[validation]},
        ]),
      },
      mark: {type: 'line', point: history.length < MANY},
      encoding: {
        x: X,
        y: {field: 'value', type: 'quantitative', title: y, scale: {zero: false}},
        color: {field: 'expressions', type: 'nominal', title: null, sort: null, legend: {orient: 'top'}},
      },
    }) as const;
  return {
    ...FRAME,
    title: {text: title, anchor: 'start', fontSize: 14},
    hconcat: [
      panel('Cross-entropy (nats an expression)', 'trainLoss', 'validationLoss', 1),
      panel('Accuracy (%)', 'trainAccuracy', 'validationAccuracy', 100),
    ],
  };
}

/** A panel a kind of data: the validation accuracy over the epochs, a curve a run. */
export function comparisonChart(runs: readonly ChartedRun[]): TopLevelSpec {
  const values = runs.flatMap(({panel, label, history}, run) =>
    history.map(({epoch, validationAccuracy}) => ({run, panel, label, epoch, percent: 100 * validationAccuracy})),
  );
  const labels = [...new Set(runs.map(({label}) => label))];
  return {
    ...FRAME,
    title: {text: 'ListOps: validation accuracy, one curve a run', anchor: 'start', fontSize: 14},
    data: {values},
    facet: {field: 'panel', type: 'nominal', title: null, header: {labelFontSize: 13}},
    columns: 2,
    resolve: {scale: {y: 'independent', x: 'independent'}},
    spec: {
      ...SIZE,
      mark: {type: 'line', point: runs.every(({history}) => history.length < MANY)},
      encoding: {
        x: X,
        y: {field: 'percent', type: 'quantitative', title: 'Validation accuracy (%)', scale: {zero: false}},
        detail: {field: 'run'},
        color: {
          field: 'label',
          type: 'nominal',
          title: null,
          sort: labels,
          legend: {orient: 'right'},
        },
      },
    },
  };
}
