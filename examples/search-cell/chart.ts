// Pictures of one run and of several, over the epochs.
// SPDX-License-Identifier: Apache-2.0
import {NAS_BENCH_201_OPERATIONS} from 'tfjs-moe/layers';
import type {TopLevelSpec} from 'vega-lite';
import type {PositionFieldDef} from 'vega-lite/build/src/channeldef.js';
import type {EpochRecord} from './run-state.js';

/** A curve of the comparison. */
export interface ChartedRun {
  /** What has a panel of its own. */
  panel: string;
  /** Runs with the same label have the same colour. */
  label: string;
  history: readonly EpochRecord[];
}

/** The edges' names, in the order of the table. */
const EDGES = ['0 > 1', '0 > 2', '1 > 2', '0 > 3', '1 > 3', '2 > 3'];
const X: PositionFieldDef<string> = {field: 'epoch', type: 'quantitative', title: 'Epoch', axis: {grid: false}};
const FRAME = {
  $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
  background: 'white',
  config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 12, labelLimit: 0}},
} as const;
const VALIDATION = 'Validation accuracy (%), shared weights';
const TABLE = 'Test accuracy (%), in the table';

/** The figures of an epoch that have panels of their own; those of the table only where there is one. */
const FIGURES: readonly {title: string; of: (record: EpochRecord) => number | undefined; zero?: true}[] = [
  {title: VALIDATION, of: ({validationAccuracy}) => 100 * validationAccuracy},
  // While the choices wait all cells are as likely, and none is the likeliest.
  {title: TABLE, of: ({table, choiceLoss}) => (choiceLoss === null ? undefined : table?.cifar10.test)},
  {title: 'Temperature', of: ({temperature}) => temperature, zero: true},
];

/** A Vega-Lite specification: a panel an edge with the probabilities of its operations, and beside them what came of it. */
export function runChart(history: readonly EpochRecord[], title: string): TopLevelSpec {
  const point = history.length === 1;
  const probabilities = history.flatMap(({epoch, probabilities}) =>
    probabilities.flatMap((row, edge) =>
      row.map((probability, operation) => ({
        epoch,
        edge: EDGES[edge]!,
        operation: NAS_BENCH_201_OPERATIONS[operation]!,
        probability,
      })),
    ),
  );
  const figures = FIGURES.map(({title, of, zero = false}) => ({
    title,
    zero,
    values: history.flatMap(record => (of(record) === undefined ? [] : [{epoch: record.epoch, value: of(record)}])),
  })).filter(({values}) => values.length > 0);
  return {
    ...FRAME,
    title: {text: title, anchor: 'start', fontSize: 14},
    hconcat: [
      {
        data: {values: probabilities},
        facet: {field: 'edge', type: 'nominal', title: null, sort: EDGES, header: {labelFontSize: 13}},
        columns: 3,
        spec: {
          width: 190,
          height: 190,
          mark: {type: 'line', point},
          encoding: {
            x: X,
            y: {field: 'probability', type: 'quantitative', title: 'Probability', scale: {domain: [0, 1]}},
            color: {
              field: 'operation',
              type: 'nominal',
              title: null,
              sort: [...NAS_BENCH_201_OPERATIONS],
              legend: {orient: 'bottom'},
            },
          },
        },
      },
      {
        vconcat: figures.map(({title, zero, values}) => ({
          width: 240,
          height: 92,
          data: {values},
          mark: {type: 'line', point: point && {color: '#333333'}, color: '#333333'},
          encoding: {
            x: X,
            y: {field: 'value', type: 'quantitative', title: title.split(', '), scale: {zero}, axis: {tickCount: 4}},
          },
        })),
      },
    ],
  };
}

/** A Vega-Lite specification: a row of panels a kind of search, a curve a run. */
export function comparisonChart(runs: readonly ChartedRun[], title: string): TopLevelSpec {
  const panels = [...new Set(runs.map(({panel}) => panel))];
  const labels = [...new Set(runs.map(({label}) => label))];
  const chart = (panel: string, {title, of}: (typeof FIGURES)[number]) => ({
    values: runs
      .filter(run => run.panel === panel)
      .flatMap(({label, history}, run) =>
        history.flatMap(record =>
          of(record) === undefined ? [] : [{run, label, epoch: record.epoch, value: of(record)!}],
        ),
      ),
    title,
  });
  return {
    ...FRAME,
    title: {text: title, anchor: 'start', fontSize: 14},
    vconcat: panels.map(panel => ({
      title: {text: panel, anchor: 'start', fontSize: 13},
      hconcat: FIGURES.slice(0, 2)
        .map(figure => chart(panel, figure))
        .filter(({values}) => values.length > 0)
        .map(({title, values}) => ({
          width: 380,
          height: 260,
          data: {values},
          mark: {type: 'line', point: runs.every(({history}) => history.length === 1)},
          encoding: {
            x: X,
            y: {field: 'value', type: 'quantitative', title, scale: {zero: false}},
            detail: {field: 'run'},
            color: {
              field: 'label',
              type: 'nominal',
              title: null,
              sort: labels,
              scale: {domain: labels, scheme: 'category10'},
              legend: {orient: 'right'},
            },
          },
        })),
    })),
  };
}
