// The picture of a run: the loss, and how the digits spread over the experts.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import type {PositionFieldDef} from 'vega-lite/build/src/channeldef.js';
import type {EpochRecord} from './training.js';

/** A Vega-Lite specification of two panels over the epochs. */
export function runChart(history: readonly EpochRecord[], title: string): TopLevelSpec {
  const width = 560;
  const losses = history.map(({epoch, loss}) => ({epoch, loss}));
  const loads = history.flatMap(({epoch, load}) =>
    load.map((share, expert) => ({epoch, expert: String(expert), share: 100 * share})),
  );
  const numExperts = history[0]?.load.length ?? 1;
  const epoch: PositionFieldDef<string> = {
    field: 'epoch',
    type: 'quantitative',
    title: 'Epoch',
    axis: {tickMinStep: 1, format: 'd', grid: false},
    scale: {domain: [Math.min(1, history.length), Math.max(2, history.length)], nice: false},
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: title,
      subtitle: 'Dashed: the load of each expert if all took the same share',
      anchor: 'start',
      fontSize: 14,
      subtitlePadding: 4,
    },
    background: 'white',
    spacing: 8,
    resolve: {legend: {color: 'independent'}},
    vconcat: [
      {
        width,
        height: 200,
        data: {values: losses},
        mark: {type: 'line', point: history.length < 40 && {color: '#333333'}, color: '#333333'},
        encoding: {
          x: epoch,
          y: {field: 'loss', type: 'quantitative', title: 'Training loss (nats per digit)', scale: {zero: true}},
        },
      },
      {
        width,
        height: 240,
        layer: [
          {
            data: {values: loads},
            mark: {type: 'line', point: history.length < 40},
            encoding: {
              x: epoch,
              y: {
                field: 'share',
                type: 'quantitative',
                title: 'Load of the expert (% of the digits)',
                scale: {zero: true},
              },
              color: {
                field: 'expert',
                type: 'nominal',
                title: 'Expert',
                sort: Array.from({length: numExperts}, (_, expert) => String(expert)),
                scale: {scheme: numExperts > 10 ? 'category20' : 'category10'},
              },
            },
          },
          {
            // Where all experts would take the same share.
            data: {values: [{share: 100 / numExperts}]},
            mark: {type: 'rule', strokeDash: [4, 4], color: '#777777'},
            encoding: {y: {field: 'share', type: 'quantitative'}},
          },
        ],
      },
    ],
    config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 11, titleFontSize: 12}},
  };
}
