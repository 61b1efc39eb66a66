// The picture of the runs: the expected loss over the steps, a panel a problem, a colour an estimator.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import type {Field, PositionFieldDef} from 'vega-lite/build/src/channeldef.js';
import type {NonNormalizedSpec} from 'vega-lite/build/src/spec/index.js';
import {describeTarget} from './figures.js';
import {titleOf} from './methods.js';
import {mean, type Panel} from './panels.js';

/** What tells panels apart, from the outermost, and how it is written. */
const DIMENSIONS = [
  ['target', (panel: Panel) => describeTarget(panel.target)],
  ['p', (panel: Panel) => `p = ${panel.p}`],
  ['latents', (panel: Panel) => `${panel.latents} bits`],
  ['batchSize', (panel: Panel) => `batch ${panel.batchSize}`],
] as const;
type Dimension = (typeof DIMENSIONS)[number];

const COLORS =
  '#ff7f0e #1f77b4 #2ca02c #d62728 #9467bd #8c564b #e377c2 #7f7f7f #bcbd22 #17becf #ffbb78 #9edae5 #98df8a #c5b0d5 #c49c94'.split(
    ' ',
  );
const EXACT = titleOf({estimator: 'exact', temperature: null});

/** Of all panels in a row together, in pixels. */
const WIDTH = 840;

/** A Vega-Lite specification: the last thing of which there are several goes from left to right, the others from top to bottom. */
export function runChart(panels: readonly Panel[]): TopLevelSpec {
  const varied = DIMENSIONS.filter(([name]) => new Set(panels.map(panel => panel[name])).size > 1);
  const rows: Panel[][] = [];
  for (const panel of panels) {
    const row = rows.find(([first]) => varied.slice(0, -1).every(([name]) => first![name] === panel[name]));
    if (row) row.push(panel);
    else rows.push([panel]);
  }
  const estimators = [...new Set(panels.flatMap(({methods}) => methods.map(({label}) => label)))];
  const several = panels.some(({methods}) => methods.some(({runs}) => runs.length > 1));
  const fixed = DIMENSIONS.filter(dimension => !varied.includes(dimension)).map(([, describe]) => describe(panels[0]!));
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: `E |D - c|^p, the mean of the bits: ${fixed.join(', ')}`,
      subtitle: `Dashed: the optimum, and fair bits, where the runs start${several ? '. Bands: from the lowest to the highest seed' : ''}`,
      anchor: 'start',
      fontSize: 14,
      subtitlePadding: 4,
    },
    background: 'white',
    spacing: 12,
    vconcat: rows.map(row => ({
      spacing: 12,
      hconcat: row.map((panel, column) => panelOf(panel, {varied, estimators, isFirst: column === 0, row})),
    })),
    config: {
      axis: {labelFontSize: 11, titleFontSize: 12},
      legend: {labelFontSize: 11, titleFontSize: 12, orient: 'bottom', columns: 3, title: null},
    },
  };
}

interface Place {
  varied: readonly Dimension[];
  /** In the order of the legend. */
  estimators: readonly string[];
  /** Of its row. */
  isFirst: boolean;
  row: readonly Panel[];
}

function panelOf(panel: Panel, {varied, estimators, isFirst, row}: Place): NonNormalizedSpec {
  const values = panel.methods.flatMap(({label, runs}) => {
    const {step} = runs[0]!.figures.curve;
    return step.map((at, i) => {
      const losses = runs.map(({figures}) => figures.curve.expectedLoss[i]!);
      return {step: at, estimator: label, loss: mean(losses), low: Math.min(...losses), high: Math.max(...losses)};
    });
  });
  const step: PositionFieldDef<Field> = {
    field: 'step',
    type: 'quantitative',
    title: 'Step',
    axis: {grid: false, tickCount: 4},
  };
  const y: PositionFieldDef<Field> = {
    field: 'loss',
    type: 'quantitative',
    title: isFirst ? 'Expected loss' : null,
    scale: {domain: domainOf(panel, row), nice: false, zero: false},
    axis: {format: '.3f', tickCount: 6},
  };
  const color = {
    field: 'estimator',
    type: 'nominal' as const,
    sort: [...estimators],
    legend: {symbolType: 'stroke' as const, symbolOpacity: 1, symbolStrokeWidth: 2, labelLimit: 0},
    scale: {domain: [...estimators], range: colorsOf(estimators)},
  };
  return {
    width: Math.max(150, WIDTH / row.length - 60),
    height: row.length > 3 ? 150 : 260,
    title: {
      text: varied.map(([, describe]) => describe(panel)).join(', '),
      fontSize: 12,
      anchor: 'start',
    },
    layer: [
      {
        data: {values: [{loss: panel.startLoss}, {loss: panel.optimalLoss}]},
        mark: {type: 'rule', strokeDash: [4, 4], color: '#777777'},
        encoding: {y},
      },
      {
        data: {values},
        mark: {type: 'area', opacity: 0.15, clip: true},
        encoding: {x: step, y: {...y, field: 'low'}, y2: {field: 'high'}, color},
      },
      {
        data: {values},
        mark: {type: 'line', strokeWidth: 1.6, clip: true},
        encoding: {x: step, y, color},
      },
    ],
  };
}

/** What the others are held against is black. */
function colorsOf(estimators: readonly string[]): string[] {
  const others = estimators.filter(name => !name.startsWith(EXACT));
  return estimators.map(name => (name.startsWith(EXACT) ? '#111111' : COLORS[others.indexOf(name) % COLORS.length]!));
}

/** The same for all panels of a row that have the same problem, so that batch sizes can be compared by eye. */
function domainOf({p, latents, startLoss, optimalLoss}: Panel, row: readonly Panel[]): [number, number] {
  const alike = row.filter(other => other.p === p && other.latents === latents);
  const losses = alike.flatMap(({methods}) =>
    methods.flatMap(({runs}) => runs.flatMap(({figures}) => figures.curve.expectedLoss)),
  );
  const low = Math.min(optimalLoss, ...losses);
  const high = Math.max(startLoss, ...losses);
  const margin = 0.04 * (high - low);
  return [low - margin, high + margin];
}
