// Pictures of one run and of several: the bound, and the variance of the encoder's gradient, against updates.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import type {PositionFieldDef} from 'vega-lite/build/src/channeldef.js';
import type {HistoryRecord} from './run-state.js';

/** A curve of the comparison. */
export interface ChartedRun {
  /** What has a row of panels of its own. */
  panel: string;
  /** Runs with the same label have the same colour. */
  label: string;
  history: readonly HistoryRecord[];
}

/** Before this share of the longest run the bound falls so fast that the rest would be a flat line. */
const LEFT_OUT = 0.1;

const X = {
  field: 'step',
  type: 'quantitative',
  title: 'Updates',
  axis: {grid: false, tickCount: 6},
} as const;
const VARIANCE = {
  field: 'variance',
  type: 'quantitative',
  title: "Variance of the encoder's gradient",
  scale: {type: 'log', nice: false},
  axis: {format: '.0e'},
} as const;
const SIZE = {width: 380, height: 260};
const FRAME = {
  $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
  background: 'white',
  config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 12, symbolStrokeWidth: 3}},
} as const;

/** A Vega-Lite specification of two panels over the updates. */
export function runChart(history: readonly HistoryRecord[], title: string): TopLevelSpec {
  const shown = withoutStart(history, history.at(-1)?.step ?? 0);
  const bounds = shown.flatMap(({step, trainNegativeElbo, validNegativeElbo}) => [
    {step, images: 'training', nats: trainNegativeElbo},
    {step, images: 'to choose by', nats: validNegativeElbo},
  ]);
  const point = history.length < 40;
  return {
    ...FRAME,
    title: {text: title, anchor: 'start', fontSize: 14},
    hconcat: [
      {
        ...SIZE,
        data: {values: bounds},
        mark: {type: 'line', point},
        encoding: {
          x: X,
          y: {field: 'nats', type: 'quantitative', title: '\u2212ELBO (nats an image)', scale: {zero: false}},
          color: {field: 'images', type: 'nominal', title: null, sort: null, legend: {orient: 'top-right'}},
        },
      },
      {
        ...SIZE,
        data: {values: history.map(({step, gradientVariance}) => ({step, variance: gradientVariance}))},
        mark: {type: 'line', point: point && {color: '#333333'}, color: '#333333'},
        encoding: {x: X, y: VARIANCE},
      },
    ],
  };
}

/** A Vega-Lite specification of a row of two charts a panel, a curve a run. */
export function comparisonChart(runs: readonly ChartedRun[], title: string): TopLevelSpec {
  const panels = [...new Set(runs.map(({panel}) => panel))];
  const labels = [...new Set(runs.map(({label}) => label))];
  const chart = (panel: string, field: 'nats' | 'variance', y: PositionFieldDef<string>) => {
    const ofPanel = runs.filter(run => run.panel === panel);
    const longest = Math.max(...ofPanel.map(({history}) => history.at(-1)?.step ?? 0));
    const values = ofPanel.flatMap(({label, history}, run) =>
      (field === 'nats' ? withoutStart(history, longest) : history).map(record => ({
        run,
        label,
        step: record.step,
        [field]: field === 'nats' ? record.trainNegativeElbo : record.gradientVariance,
      })),
    );
    return {
      ...SIZE,
      ...(panels.length > 1 && {title: panel}),
      data: {values},
      mark: {type: 'line'},
      encoding: {
        x: X,
        y,
        detail: {field: 'run'},
        color: {
          field: 'label',
          type: 'nominal',
          title: null,
          sort: labels,
          scale: {domain: labels, scheme: 'category10'},
          legend: {orient: 'right', labelLimit: 0},
        },
      },
    } as const;
  };
  const nats = {
    field: 'nats',
    type: 'quantitative',
    title: 'Training \u2212ELBO (nats an image)',
    scale: {zero: false},
  } as const;
  return {
    ...FRAME,
    title: {text: title, anchor: 'start', fontSize: 14},
    vconcat: panels.map(panel => ({
      hconcat: [chart(panel, 'nats', nats), chart(panel, 'variance', VARIANCE)],
    })),
  };
}

function withoutStart(history: readonly HistoryRecord[], lastStep: number): readonly HistoryRecord[] {
  const shown = history.filter(({step, updates}) => step - updates >= LEFT_OUT * lastStep);
  return shown.length > 1 ? shown : history;
}
