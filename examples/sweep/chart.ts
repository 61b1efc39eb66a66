// The picture of a sweep. Where numbers vary, the one of most values runs along the axis and the rest makes the lines; else each setting is a row.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import type {SweepSpec} from './spec.js';
import type {SettingSummary, Summary} from './summary.js';

const FRAME = {
  $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
  background: 'white',
  config: {axis: {labelFontSize: 11, titleFontSize: 12, labelLimit: 0}, legend: {labelFontSize: 12, labelLimit: 0}},
} as const;
const TITLE = {anchor: 'start', fontSize: 14} as const;

/** A Vega-Lite specification: means with their standard errors. */
export function sweepChart(spec: SweepSpec, {settings}: Summary): TopLevelSpec {
  const along = axisOf(settings);
  const others = [...new Set(settings.flatMap(({options}) => Object.keys(options)))].filter(
    name => name !== along && varies(settings, name),
  );
  const values = settings.map(({options, figures}) => {
    const {mean, standardError} = figures[spec.figure]!;
    const error = standardError ?? 0;
    return {
      along: along === undefined ? null : options[along],
      label:
        others.flatMap(name => (name in options ? [labelValue(name, options[name]!)] : [])).join(', ') || spec.program,
      mean,
      low: mean - error,
      high: mean + error,
    };
  });
  const title = {...TITLE, text: `${spec.name}: mean ± standard error`};
  const color = {field: 'label', type: 'nominal', title: null, sort: null} as const;
  if (along === undefined) {
    const y = {field: 'label', type: 'nominal', title: null, sort: null} as const;
    return {
      ...FRAME,
      title,
      width: 460,
      height: {step: 22},
      data: {values},
      layer: [
        {
          mark: {type: 'rule', strokeWidth: 2},
          encoding: {
            y,
            x: {field: 'low', type: 'quantitative', title: spec.figure, scale: {zero: false}},
            x2: {field: 'high'},
          },
        },
        {
          mark: {type: 'point', filled: true, size: 60, opacity: 1},
          encoding: {y, x: {field: 'mean', type: 'quantitative'}},
        },
      ],
    };
  }
  const numbers = settings.map(({options}) => Number(options[along]));
  const isWide = Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) >= 20;
  const x = {
    field: 'along',
    type: 'quantitative',
    title: along,
    scale: isWide ? {type: 'log'} : {zero: false},
  } as const;
  return {
    ...FRAME,
    title,
    width: 460,
    height: 320,
    data: {values},
    layer: [
      {
        mark: {type: 'line', point: {size: 40}},
        encoding: {x, y: {field: 'mean', type: 'quantitative', title: spec.figure, scale: {zero: false}}, color},
      },
      {mark: 'rule', encoding: {x, y: {field: 'low', type: 'quantitative'}, y2: {field: 'high'}, color}},
    ],
  };
}

/** The option that is a number everywhere and has the most values, three at least. */
function axisOf(settings: readonly SettingSummary[]): string | undefined {
  const names = Object.keys(settings[0]!.options).filter(name =>
    settings.every(({options}) => typeof options[name] === 'number'),
  );
  const counts = names.map(name => ({name, count: new Set(settings.map(({options}) => options[name])).size}));
  return counts.sort((a, b) => b.count - a.count).find(({count}) => count >= 3)?.name;
}

const varies = (settings: readonly SettingSummary[], name: string) =>
  new Set(settings.map(({options}) => options[name])).size > 1;

/** A word speaks for itself, a number needs its name. */
const labelValue = (name: string, value: string | number | boolean) =>
  typeof value === 'string' ? value : `${name} ${value}`;
