// The picture of the searches: mean regret against evaluations, and the share of the seeds that found the best, a colour a method.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import {parseMethod, titleOf} from './methods.js';
import {describeProblem} from './objectives.js';
import type {MethodRecord} from './record.js';

const COLORS =
  '#7f7f7f #8c564b #1f77b4 #17becf #74c0e0 #9467bd #d62728 #ff7f0e #2ca02c #111111 #bcbd22 #e377c2 #98df8a'.split(' ');
/** Where the axis of the regrets begins: what lies below, as a regret of 0, is drawn there. */
const LEAST_REGRET = 0.003;
/** Where the logarithmic axes have their ticks: 1 and 3 times the powers of 10. */
const TICKS = [-2, -1, 0, 1, 2, 3, 4].flatMap(power => [10 ** power, 3 * 10 ** power]);

/** A Vega-Lite specification. */
export function runChart(records: readonly MethodRecord[]): TopLevelSpec {
  const {settings, floor} = records[0]!;
  const titles = records.map(({method}) => titleOf(parseMethod(method)));
  const values = records.flatMap(({figures: {curve}}, i) =>
    curve.evaluations.map((evaluations, k) => ({
      method: titles[i]!,
      evaluations,
      regret: curve.regret[k]!,
      low: curve.regret[k]! - 2 * curve.error[k]!,
      high: curve.regret[k]! + 2 * curve.error[k]!,
      found: curve.found[k]!,
    })),
  );
  const x = {
    field: 'evaluations',
    type: 'quantitative' as const,
    title: 'Cells looked up',
    scale: {type: 'log' as const, nice: false},
    axis: {grid: false, values: TICKS.filter(tick => tick >= 1 && tick <= settings.evaluations)},
  };
  const highest = Math.max(...values.map(({high}) => high));
  const color = {
    field: 'method',
    type: 'nominal' as const,
    sort: titles,
    scale: {domain: titles, range: titles.map((_, i) => COLORS[i % COLORS.length]!)},
    legend: {symbolType: 'stroke' as const, symbolOpacity: 1, symbolStrokeWidth: 2, labelLimit: 0},
  };
  const regret = (field: string) => ({
    field,
    type: 'quantitative' as const,
    title: 'Mean regret, points of test accuracy',
    scale: {type: 'log' as const, domainMin: LEAST_REGRET, nice: false, clamp: true},
    axis: {values: TICKS.filter(tick => tick <= highest), format: '~g'},
  });
  const heading = (text: string) => ({text, fontSize: 12, anchor: 'start' as const});
  const size = {width: 400, height: 320};
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: describeProblem(settings),
      subtitle: [
        `${settings.data}; ${settings.seeds} seeds. Bands: two standard errors either side. Regrets below ${LEAST_REGRET} are drawn at the edge.`,
        ...(floor > 0 ? [`Dashed: the regret of the cell with the best objective, ${floor.toFixed(2)}.`] : []),
      ],
      anchor: 'start',
      fontSize: 14,
      subtitlePadding: 4,
    },
    background: 'white',
    data: {values},
    hconcat: [
      {
        ...size,
        title: heading('Regret of the cell with the best objective so far'),
        layer: [
          ...(floor > 0
            ? [
                {
                  data: {values: [{floor}]},
                  mark: {type: 'rule' as const, strokeDash: [4, 4], color: '#777777'},
                  encoding: {y: regret('floor')},
                },
              ]
            : []),
          {
            mark: {type: 'area', opacity: 0.15, clip: true},
            encoding: {x, y: regret('low'), y2: {field: 'high'}, color},
          },
          {mark: {type: 'line', strokeWidth: 1.6, clip: true}, encoding: {x, y: regret('regret'), color}},
        ],
      },
      {
        ...size,
        title: heading('Share of the seeds that found the best objective'),
        mark: {type: 'line', strokeWidth: 1.6},
        encoding: {
          x,
          y: {
            field: 'found',
            type: 'quantitative',
            title: null,
            scale: {domain: [0, 1]},
            axis: {format: '~%', tickCount: 6},
          },
          color,
        },
      },
    ],
    config: {
      axis: {labelFontSize: 11, titleFontSize: 12},
      legend: {labelFontSize: 11, titleFontSize: 12, orient: 'bottom', columns: 3, title: null},
    },
  };
}
