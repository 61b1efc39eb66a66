// The picture of a run: how near each estimator's gradient is to the exact one, while the network learns.
// SPDX-License-Identifier: Apache-2.0
import {ESTIMATORS, SCORE_ESTIMATORS} from 'tfjs-moe/estimators';
import type {TopLevelSpec} from 'vega-lite';
import type {PointRecord} from './records.js';
import type {Settings, Variant} from './settings.js';
import type {MeanOverImages} from './statistics.js';

const COLORS = ['#7f7f7f', '#9467bd', '#1f77b4', '#2ca02c', '#d6a600', '#d62728', '#8c564b', '#e377c2'];

/** A Vega-Lite specification. */
export function runChart(settings: Settings, records: readonly PointRecord[]): TopLevelSpec {
  const titles = [
    ...Object.values(ESTIMATORS).map(({title}) => title),
    SCORE_ESTIMATORS.reinforce.title,
    SCORE_ESTIMATORS.leaveOneOut.title,
  ];
  const shown = titles.filter(title => settings.variants.some(variant => nameOf(variant) === title));
  const panel = (
    title: string,
    figure: (variant: PointRecord['variants'][number]) => MeanOverImages,
    log: boolean,
    domainMax?: number,
  ) => {
    const values = records.flatMap(({epoch, variants}) =>
      variants.map(variant => {
        const {mean, error} = figure(variant);
        return {epoch, estimator: nameOf(variant), at: placeOf(variant), mean, low: mean - error, high: mean + error};
      }),
    );
    return {
      width: 320,
      height: 240,
      title: {text: title, fontSize: 12, anchor: 'start' as const},
      data: {values},
      encoding: {
        x: {
          field: 'epoch',
          type: 'quantitative' as const,
          title: 'Epochs of training',
          scale: {type: 'sqrt' as const, nice: false},
          axis: {grid: false, values: settings.points},
        },
        color: {
          field: 'estimator',
          type: 'nominal' as const,
          title: 'Estimator',
          scale: {domain: shown, range: shown.map(name => COLORS[titles.indexOf(name)]!)},
        },
        detail: {field: 'at', type: 'nominal' as const},
      },
      layer: [
        {
          mark: {type: 'line' as const, point: {size: 20}},
          encoding: {
            y: {
              field: 'mean',
              type: 'quantitative' as const,
              title: null,
              scale: {
                type: log ? ('log' as const) : ('linear' as const),
                ...(domainMax !== undefined && {domainMax, clamp: true}),
              },
              axis: {tickCount: 6, format: '~g'},
            },
            strokeDash: {
              field: 'at',
              type: 'nominal' as const,
              legend: null, // the subtitle says it
              sort: [OTHER, ONE],
              scale: {
                domain: [OTHER, ONE],
                range: [
                  [1, 0],
                  [4, 4],
                ],
              },
            },
          },
        },
        {
          mark: {type: 'rule' as const},
          encoding: {y: {field: 'low', type: 'quantitative' as const}, y2: {field: 'high'}},
        },
      ],
    };
  };
  // Without it, room for the legend is left between the panels of a row.
  const row = {bounds: 'flush' as const, spacing: 60};
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: `Gradients at the code of a VAE of ${settings.size.replace('x', ' categories x ')} variables, against the enumerated gradient`,
      subtitle: [
        `${settings.draws} draws for each of ${settings.images} training digits; bars: standard errors over the digits; the network learns by ` +
          `${ESTIMATORS[settings.estimator].title}`,
        `temperatures: ${settings.variants.flatMap(v => (v.temperature === null || v.temperature === 1 ? [] : [`${nameOf(v)} ${v.temperature}`])).join(', ')}; dashed: 1`,
      ],
      anchor: 'start',
      fontSize: 14,
      subtitlePadding: 4,
    },
    background: 'white',
    spacing: 16,
    vconcat: [
      {
        ...row,
        hconcat: [
          panel('Cosine with the exact gradient: all digits as one vector', ({batch}) => batch.cosine, false),
          panel('Cosine with the exact gradient: mean over the digits', ({cosine}) => cosine, false),
        ],
      },
      {
        ...row,
        hconcat: [
          panel('Cosine of a single draw: mean over draws and digits', ({singleCosine}) => singleCosine, false),
          panel(`Bias: |exact - mean| / |exact|, ${MOST_BIAS} or more at the edge`, ({bias}) => bias, true, MOST_BIAS),
          panel('Deviation: |standard deviation| / |mean|', ({deviation}) => deviation, true),
        ],
      },
    ],
    config: {
      axis: {labelFontSize: 11, titleFontSize: 12},
      legend: {labelFontSize: 11, titleFontSize: 12, labelLimit: 0},
    },
  };
}

/** REINFORCE without a baseline has hundreds at first. */
const MOST_BIAS = 10;
const ONE = '1';
const OTHER = 'as named above';

function nameOf(variant: Variant): string {
  return variant.family === 'score' ? SCORE_ESTIMATORS[variant.name].title : ESTIMATORS[variant.name].title;
}

/** Which of the two kinds of lines. */
function placeOf({temperature}: Variant): string {
  return temperature === 1 ? ONE : OTHER;
}
