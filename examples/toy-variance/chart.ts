// The picture of a run: bias, variance and mean squared error against temperature, Gumbel-Rao against K, and the descents.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import {type CellRecord, descentRecords, gradientNorm, gradientRecords} from './records.js';
import {type Settings, titleOf} from './settings.js';

/** Where the axis of the bias begins, in percent: what lies below, ReinMax's at temperature 1, is drawn there. */
const LEAST_BIAS = 0.1;
/** Where the axis of the descents begins. */
const LEAST_LOSS = 1e-8;

/** A Vega-Lite specification. */
export function runChart(settings: Settings, records: readonly CellRecord[]): TopLevelSpec {
  const norm = gradientNorm(settings);
  const gradients = gradientRecords(records);
  // With K = 1 Gumbel-Rao has the distribution of straight-through Gumbel-softmax, whose line it would hide.
  const isSeen = ({numSamples}: CellRecord) => numSamples !== 1;
  const estimators = [...new Set(gradients.filter(isSeen).map(titleOf))];
  const color = {
    field: 'estimator',
    type: 'nominal' as const,
    title: 'Estimator',
    sort: estimators,
    scale: {domain: estimators, range: estimators.map(colorOf(estimators))},
  };
  // Without it, room for the legends of the row above is left between the panels of a row.
  const row = {bounds: 'flush' as const, spacing: 70};
  const size = {width: 280, height: 200};
  const heading = (text: string) => ({text, fontSize: 12, anchor: 'start' as const});
  const cells = gradients.filter(isSeen).map(record => ({
    estimator: titleOf(record),
    temperature: record.temperature,
    bias: (100 * record.bias) / norm,
    variance: record.variance,
    meanSquaredError: record.meanSquaredError,
  }));
  const againstTemperature = (field: string, title: string, domainMin?: number) => ({
    ...size,
    title: heading(title),
    data: {values: cells},
    mark: {type: 'line' as const, point: {size: 18}, clip: true},
    encoding: {
      x: {
        field: 'temperature',
        type: 'quantitative' as const,
        title: 'Temperature',
        scale: {type: 'log' as const, nice: false},
        axis: {grid: false, values: settings.temperatures},
      },
      y: {
        field,
        type: 'quantitative' as const,
        title: null,
        scale: {type: 'log' as const, ...(domainMin !== undefined && {domainMin, clamp: true})},
        axis: {tickCount: 6, format: '~g'},
      },
      color,
    },
  });
  const ofGumbelRao = gradients.flatMap(({numSamples, temperature, variance, varianceError}) =>
    numSamples === undefined
      ? []
      : [
          {
            numSamples,
            temperature: String(temperature),
            variance,
            low: variance - 2 * varianceError,
            high: variance + 2 * varianceError,
          },
        ],
  );
  const temperatures = settings.temperatures.map(String);
  const againstSamples = {
    ...size,
    title: heading('Gumbel-Rao: variance against K (bars: 2 standard errors)'),
    data: {values: ofGumbelRao},
    encoding: {
      x: {
        field: 'numSamples',
        type: 'quantitative' as const,
        title: 'K',
        scale: {type: 'log' as const},
        axis: {grid: false, values: settings.numSamples},
      },
      color: {
        field: 'temperature',
        type: 'ordinal' as const,
        title: 'Temperature',
        sort: temperatures,
        scale: {scheme: 'viridis' as const},
      },
    },
    layer: [
      {
        mark: {type: 'line' as const, point: {size: 18}},
        encoding: {
          y: {
            field: 'variance',
            type: 'quantitative' as const,
            title: null,
            scale: {type: 'log' as const},
            axis: {tickCount: 6, format: '~g'},
          },
        },
      },
      {
        mark: {type: 'rule' as const},
        encoding: {y: {field: 'low', type: 'quantitative' as const}, y2: {field: 'high'}},
      },
    ],
  };
  const descents = settings.descentTemperatures.map(temperature => ({
    ...size,
    title: heading(`Descent at temperature ${temperature}: the objective, mean of ${settings.runs} runs`),
    data: {
      values: descentRecords(records)
        .filter(record => record.temperature === temperature && isSeen(record))
        .flatMap(record => record.loss.map((loss, step) => ({estimator: titleOf(record), step, loss}))),
    },
    mark: {type: 'line' as const, clip: true},
    encoding: {
      x: {field: 'step', type: 'quantitative' as const, title: 'Step', axis: {grid: false}},
      y: {
        field: 'loss',
        type: 'quantitative' as const,
        title: null,
        scale: {type: 'log' as const, domainMin: LEAST_LOSS, clamp: true},
        axis: {tickCount: 6, format: '~g'},
      },
      color: {...color, legend: null},
    },
  }));
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: 'Gradient estimators on a quadratic program over three categories',
      subtitle: [
        `logits ${settings.logits.join(', ')}; at temperature 1 ReinMax has no bias: the line leaves at the lower edge, ${LEAST_BIAS} %; K = 1 is straight-through Gumbel-softmax`,
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
          againstTemperature('bias', 'Bias, % of the true gradient', LEAST_BIAS),
          againstTemperature('variance', 'Variance, trace of the covariance'),
          againstTemperature('meanSquaredError', 'Mean squared error'),
        ],
      },
      {...row, hconcat: [...descents, againstSamples], resolve: {scale: {color: 'independent'}}},
    ],
    resolve: {scale: {color: 'independent'}},
    config: {
      axis: {labelFontSize: 11, titleFontSize: 12},
      legend: {labelFontSize: 11, titleFontSize: 12, labelLimit: 0},
    },
  };
}

/** Each estimator has a colour; the Ks of Gumbel-Rao are shades of one. */
function colorOf(estimators: readonly string[]): (title: string) => string {
  const colors = ['#7f7f7f', '#9467bd', '#1f77b4', '#d6a600', '#d62728'];
  const greens = ['#c7e9c0', '#74c476', '#31a354', '#006d2c', '#00441b'];
  const isRao = (title: string) => title.startsWith('Gumbel-Rao');
  const [raos, others] = [estimators.filter(isRao), estimators.filter(title => !isRao(title))];
  return title =>
    isRao(title) ? greens[raos.indexOf(title) % greens.length]! : colors[others.indexOf(title) % colors.length]!;
}
