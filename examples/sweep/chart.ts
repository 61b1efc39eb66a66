// The picture of a sweep: a panel for each group of settings that compete. Where numbers vary, the one of most values runs along the axis.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import type {Field} from 'vega-lite/build/src/channeldef.js';
import type {LayerSpec} from 'vega-lite/build/src/spec/layer.js';
import type {OptionValue, SweepSpec} from './spec.js';
import {groupSettings, type SettingSummary, type Summary} from './summary.js';

const FRAME = {
  $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
  background: 'white',
  config: {
    axis: {labelFontSize: 11, titleFontSize: 12, labelLimit: 0},
    legend: {labelFontSize: 12, labelLimit: 0},
    title: {anchor: 'start', fontSize: 13},
  },
} as const;
const WIDTH = 380;

/** A Vega-Lite specification: means with their standard errors. */
export function sweepChart(spec: SweepSpec, {settings}: Summary): TopLevelSpec {
  const along = axisOf(spec, settings);
  const named = [...new Set(settings.flatMap(({options}) => Object.keys(options)))].filter(
    name => name !== along && !spec.by.includes(name) && varies(settings, name),
  );
  const pointOf = ({options, figures}: SettingSummary) => {
    const {mean, standardError} = figures[spec.figure]!;
    const error = standardError ?? 0;
    const words = named.flatMap(name => (name in options ? [describeValue(name, options[name]!)] : []));
    return {
      along: along === undefined ? null : options[along]!,
      label: words.join(', ') || spec.program,
      mean,
      low: mean - error,
      high: mean + error,
    };
  };
  const panels = [...groupSettings(spec, settings)].map(([shared, group]) => {
    const data = {values: group.map(pointOf)};
    const rest = along === undefined ? rows(spec) : lines(spec, along, settings);
    return {title: shared, width: WIDTH, data, ...rest};
  });
  const title = {text: `${spec.name}: mean ± standard error`, anchor: 'start', fontSize: 14} as const;
  // Rows have long labels, and lie below each other.
  return {...FRAME, title, columns: along === undefined ? 1 : 2, concat: panels};
}

const value = (field: string, title: string | null = null) =>
  ({field, type: 'quantitative', title, scale: {zero: false}}) as const;
const label = {field: 'label', type: 'nominal', title: null, sort: null} as const;

/** A row a setting. */
function rows({figure}: SweepSpec): LayerSpec<Field> {
  return {
    height: {step: 22},
    layer: [
      {
        mark: {type: 'rule', strokeWidth: 2},
        encoding: {y: label, x: value('low', figure), x2: {field: 'high'}},
      },
      {mark: {type: 'point', filled: true, size: 60, opacity: 1}, encoding: {y: label, x: value('mean', figure)}},
    ],
  };
}

/** A line for the settings that differ in one number only; drawn numbers are points, since no two have the rest in common. */
function lines({figure, random}: SweepSpec, along: string, settings: readonly SettingSummary[]): LayerSpec<Field> {
  const numbers = settings.map(({options}) => Number(options[along]));
  const isWide = Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) >= 20;
  const x = {
    field: 'along',
    type: 'quantitative',
    title: along,
    scale: isWide ? ({type: 'log'} as const) : {zero: false},
  } as const;
  const mark = random ? ({type: 'point', filled: true} as const) : ({type: 'line', point: {size: 40}} as const);
  return {
    height: 260,
    layer: [
      {mark, encoding: {x, y: value('mean', figure), color: label}},
      {mark: 'rule', encoding: {x, y: value('low', figure), y2: {field: 'high'}, color: label}},
    ],
  };
}

/** The option that is a number everywhere and has the most values, three at least. */
function axisOf({by, halving}: SweepSpec, settings: readonly SettingSummary[]): string | undefined {
  const names = Object.keys(settings[0]!.options).filter(
    name =>
      name !== halving?.option &&
      !by.includes(name) &&
      settings.every(({options}) => typeof options[name] === 'number'),
  );
  const counts = names.map(name => ({name, count: new Set(settings.map(({options}) => options[name])).size}));
  return counts.sort((a, b) => b.count - a.count).find(({count}) => count >= 3)?.name;
}

const varies = (settings: readonly SettingSummary[], name: string) =>
  new Set(settings.map(({options}) => options[name])).size > 1;

/** A word speaks for itself, a number needs its name. */
const describeValue = (name: string, option: OptionValue) =>
  typeof option === 'string' ? option : `${name} ${option}`;
