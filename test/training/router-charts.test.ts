// The charts of routers, with a tfjs-vis that only writes down what it is asked to draw; test/site/vis.test.ts has the real one.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {discreteRouter, gumbelMoE} from 'tfjs-moe/layers';
import {RouterCharts, type RouterChartsOptions, RouterMonitor, type VisLibrary} from 'tfjs-moe/training';
import {expect, test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {applied, modelOf, twoHalves} from '../support/model.js';

/** An element that knows its children and its text. */
class FakeElement {
  readonly children: FakeElement[] = [];
  textContent = '';
  constructor(readonly tag: string) {}
  get ownerDocument() {
    return {createElement: (tag: string) => new FakeElement(tag)};
  }
  appendChild(child: FakeElement) {
    this.children.push(child);
  }
}

/** What was drawn, in the order of events, and the surfaces that were asked for. */
function fakeLibrary() {
  const drawn: {kind: string; element: FakeElement; data: unknown; options: unknown}[] = [];
  const surfaces: {name: string; tab?: string}[] = [];
  const drawArea = new FakeElement('div');
  const draw = (kind: string) => async (element: unknown, data: unknown, options: unknown) => {
    drawn.push({kind, element: element as FakeElement, data: structuredClone(data), options});
  };
  const library = {
    visor: () => ({
      surface: (info: {name: string; tab?: string}) => {
        surfaces.push(info);
        return {drawArea};
      },
    }),
    render: {barchart: draw('bars'), linechart: draw('curves')},
  } as unknown as VisLibrary;
  return {library, drawn, surfaces, drawArea};
}

function twoRouters() {
  const moe = gumbelMoE({name: 'moe', numExperts: 3, hiddenUnits: 2, seed: 1});
  const router = discreteRouter({name: 'choice', numExperts: 2, seed: 1});
  const model = modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(router, applied(moe, input))));
  model.compile({optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError'});
  return {model, layers: [moe, router]};
}

/** Fits two epochs of four batches. */
async function fitted(options: RouterChartsOptions = {}, fit: tfl.ModelFitArgs = {}) {
  const fake = fakeLibrary();
  const {model, layers} = twoRouters();
  const charts = new RouterCharts(fake.library, {name: 'Routers', tab: 'Training'}, layers, options);
  const {x, y} = twoHalves(40, 4);
  const before = tf.memory().numTensors;
  const {history} = await model.fit(x, y, {
    epochs: 2,
    batchSize: 10,
    shuffle: false,
    verbose: 0,
    callbacks: charts,
    ...fit,
  });
  const grown = tf.memory().numTensors - before;
  return {...fake, charts, history, grown};
}

eachBackend('RouterCharts', () => {
  test('draws after each epoch the loads over a balanced share, and curves of what fit and the monitor logged', async () => {
    const {drawn, surfaces, drawArea, charts, history, grown} = await fitted();
    expect(grown).toBe(0);
    expect(surfaces.length).toBeGreaterThan(0);
    expect(new Set(surfaces.map(info => JSON.stringify(info)))).toEqual(
      new Set(['{"name":"Routers","tab":"Training"}']),
    );
    expect(drawn.map(({kind}) => kind)).toEqual(
      [1, 2].flatMap(() => ['bars', 'bars', 'curves', 'curves', 'curves']), // two layers, three metrics, each epoch
    );
    const last = drawn.slice(5);
    const {moe, choice} = charts.history[1]!;
    expect(last[0]!.data).toEqual(moe!.load.map((share, index) => ({index, value: share * 3})));
    expect(last[1]!.data).toEqual(choice!.load.map((share, index) => ({index, value: share * 2})));
    const points = (values: (string | number | tf.Tensor)[]) => values.map((y, i) => ({x: i, y}));
    expect(last[2]!.data).toEqual({series: ['loss'], values: [points(history.loss!)]});
    for (const [i, metric] of ['maxViolation', 'entropy'].entries()) {
      expect(last[3 + i]!.data).toEqual({
        series: ['moe', 'choice'],
        values: [points(history[`moe_${metric}`]!), points(history[`choice_${metric}`]!)],
      });
    }
    // A title above each of the five charts, which are drawn into the same places again.
    expect(drawArea.children.map(({tag}) => tag)).toEqual([1, 2, 3, 4, 5].flatMap(() => ['h4', 'div']));
    expect(drawArea.children[0]!.textContent).toBe('moe: load of the experts');
    expect(last.map(({element}) => drawArea.children.indexOf(element))).toEqual([1, 3, 5, 7, 9]);
    expect(drawn.slice(0, 5).map(({element}) => element)).toEqual(last.map(({element}) => element));
  });

  test('with a number of batches, draws after every so many, with the routing of the epoch so far', async () => {
    const {drawn, charts, grown} = await fitted({everyBatches: 2, metrics: ['loss', 'entropy']});
    expect(grown).toBe(0);
    const curves = drawn.filter(({kind}) => kind === 'curves').slice(-2);
    expect(drawn).toHaveLength(4 * 4); // after 2, 4, 6 and 8 of 8 batches: two layers, two metrics
    for (const {data, options} of curves) {
      expect((data as {values: {x: number}[][]}).values[0]!.map(({x}) => x)).toEqual([0, 1, 2, 3]);
      expect(options).toMatchObject({xLabel: 'drawing, from 0: one every 2 batches'});
    }
    // Batches 4 and 8 end an epoch: the routing so far is that of the whole epoch.
    const entropies = (curves[1]!.data as {values: {y: number}[][]}).values[0]!;
    expect([entropies[1]!.y, entropies[3]!.y]).toEqual(charts.history.map(({moe}) => moe!.entropy));
  });

  test('logs and records what RouterMonitor does', async () => {
    const {charts, history} = await fitted();
    const {model, layers} = twoRouters();
    const monitor = new RouterMonitor(layers);
    const {x, y} = twoHalves(40, 4);
    const other = await model.fit(x, y, {epochs: 2, batchSize: 10, shuffle: false, verbose: 0, callbacks: monitor});
    expect(Object.keys(history)).toEqual(Object.keys(other.history));
    expect(charts.history.map(({moe}) => moe!.tokens)).toEqual([40, 40]);
    expect(charts.history.map(epoch => Object.keys(epoch))).toEqual(monitor.history.map(epoch => Object.keys(epoch)));
  });

  test('draws the loss of validation beside the other', async () => {
    const {x, y} = twoHalves(40, 4);
    const {drawn, history} = await fitted({metrics: ['loss']}, {validationData: [x, y]});
    const {series, values} = drawn.at(-1)!.data as {series: string[]; values: {y: number}[][]};
    expect(series).toEqual(['loss', 'loss of validation']);
    expect(values[1]!.map(point => point.y)).toEqual(history.val_loss);
  });
});

test('an element or a surface is drawn into as it is, without the visor', async () => {
  const element = new FakeElement('div') as unknown as HTMLElement;
  for (const container of [element, {drawArea: element}]) {
    const {library, drawn, surfaces} = fakeLibrary();
    const router = discreteRouter({name: 'choice', numExperts: 2, seed: 1});
    router.apply(tf.ones([2, 3]), {training: true});
    const charts = new RouterCharts(library, container, router, {metrics: []});
    await charts.onEpochEnd(0, {});
    expect(surfaces).toEqual([]);
    expect((element as unknown as FakeElement).children).toContain(drawn[0]!.element);
    // Two equal tokens are two draws: 2/0, 1/1 or 0/2 of 2, over the balanced share.
    expect((drawn[0]!.data as {value: number}[]).reduce((sum, {value}) => sum + value, 0)).toBeCloseTo(2, 6);
  }
});

test('an unknown metric, one that comes twice and a bad number of batches are refused', () => {
  const {library} = fakeLibrary();
  const router = discreteRouter({numExperts: 2});
  const make = (options: object) => () => new RouterCharts(library, {name: 'Routers'}, router, options);
  expect(make({metrics: ['load']})).toThrow(
    'RouterCharts: metrics must be one of "loss", "maxViolation", "entropy", "deadExperts", "droppedFraction", "routerConfidence", but got "load".',
  );
  expect(make({metrics: ['loss', 'loss']})).toThrow(
    'RouterCharts: metrics must differ from each other, but got ["loss", "loss"].',
  );
  expect(make({everyBatches: 0})).toThrow(/^RouterCharts: everyBatches must be/);
});
