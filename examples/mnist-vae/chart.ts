// The picture of a run: the bound on training and held-out digits, and its two parts.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import type {PositionFieldDef} from 'vega-lite/build/src/channeldef.js';
import type {NonNormalizedSpec} from 'vega-lite/build/src/spec/index.js';
import type {EpochRecord} from './training.js';

/** A Vega-Lite specification of two panels over the epochs. */
export function runChart(history: readonly EpochRecord[], title: string): TopLevelSpec {
  const bounds = history.flatMap(({epoch, trainNegativeElbo, testNegativeElbo}) => [
    {epoch, digits: 'training', nats: trainNegativeElbo},
    {epoch, digits: 'held out', nats: testNegativeElbo},
  ]);
  const parts = history.flatMap(({epoch, trainReconstruction, trainKl}) => [
    {epoch, part: 'reconstruction', nats: trainReconstruction},
    {epoch, part: 'KL to the prior', nats: trainKl},
  ]);
  const x: PositionFieldDef<string> = {
    field: 'epoch',
    type: 'quantitative',
    title: 'Epoch',
    axis: {tickMinStep: 1, format: 'd', grid: false},
    scale: {domain: [Math.min(1, history.length), Math.max(2, history.length)], nice: false},
  };
  const panel = (values: object[], field: string, heading: string, zero: boolean): NonNormalizedSpec => ({
    width: 380,
    height: 260,
    data: {values},
    mark: {type: 'line', point: history.length < 40},
    encoding: {
      x,
      y: {field: 'nats', type: 'quantitative', title: heading, scale: {zero}},
      color: {field, type: 'nominal', title: null, sort: null, legend: {orient: 'top'}},
    },
  });
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {text: title, anchor: 'start', fontSize: 14},
    background: 'white',
    resolve: {scale: {color: 'independent'}},
    hconcat: [
      panel(bounds, 'digits', 'Negative evidence lower bound (nats a digit)', false),
      panel(parts, 'part', 'Parts on training digits (nats a digit)', true),
    ],
    config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 12}},
  };
}
