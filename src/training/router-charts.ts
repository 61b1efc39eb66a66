// Charts of what routers do, drawn by tfjs-vis while `fit` runs.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkCount, checkOneOf, show, ValueError} from '../errors.js';
import type {DiscreteRouter} from '../layers/discrete-router.js';
import type {GumbelMoE} from '../layers/gumbel-moe.js';
import {type RouterMetrics, routerMetrics} from '../layers/router-metrics.js';
import {RouterMonitor} from './router-monitor.js';
import {elementOf, type VisContainer, type VisCurves, type VisLibrary} from './vis-library.js';

/** What `RouterCharts` draws as a curve: the loss of `fit`, or a figure of `RouterMetrics`. */
export type RouterChartMetric =
  | 'loss'
  | 'maxViolation'
  | 'entropy'
  | 'deadExperts'
  | 'droppedFraction'
  | 'routerConfidence';

/** The titles of the charts. */
const TITLES: Record<RouterChartMetric, string> = {
  loss: 'Loss',
  maxViolation: 'Largest load over the balanced one, less 1',
  entropy: "Entropy of a token's probabilities, nats",
  deadExperts: 'Experts without a token',
  droppedFraction: 'Choices that found no place',
  routerConfidence: 'Probability of what was chosen',
};

/** Options of `RouterCharts`. */
export interface RouterChartsOptions {
  /** The curves, a chart each. Default: 'loss', 'maxViolation' and 'entropy'. */
  metrics?: RouterChartMetric[];
  /**
   * Batches from one drawing to the next, >= 1. A curve then has a point for each drawing: the loss of the batch, and the
   * routing since its epoch began. Default: the charts are drawn at the end of an epoch, of which they show the whole.
   */
  everyBatches?: number;
}

/** Pixels; a chart of tfjs-vis is as wide as its place. */
const HEIGHT = 180;

/**
 * A callback of `fit` that draws with tfjs-vis: the load of each layer's experts as bars, 1 being a balanced share, and loss, imbalance and
 * entropy as curves. It resets the layers' metrics at the begin of an epoch as `RouterMonitor` does, has its `history`, and adds to the logs what
 * that adds: use one of the two. A drawing waits for the metrics, and costs some ten milliseconds a chart.
 *
 * @example
 * ```ts
 * const charts = new RouterCharts(tfvis, {name: 'Routers'}, moe, {everyBatches: 10}); // import * as tfvis from '@tensorflow/tfjs-vis'
 * await model.fit(x, y, {epochs: 5, callbacks: charts});
 * ```
 */
export class RouterCharts extends tfl.Callback {
  readonly #library: VisLibrary;
  readonly #container: VisContainer;
  readonly #layers: readonly (DiscreteRouter | GumbelMoE)[];
  readonly #metrics: readonly RouterChartMetric[];
  readonly #everyBatches: number | undefined;
  readonly #monitor: RouterMonitor;
  readonly #curves: ReadonlyMap<RouterChartMetric, VisCurves>;
  readonly #places = new Map<string, HTMLElement>();
  #batches = 0;

  /**
   * @param library The module `@tensorflow/tfjs-vis`.
   * @param container An element of the page, a surface of tfjs-vis or the name of one. Nothing that is in it already is removed.
   * @param layers One layer or several, of different names.
   * @param options What to draw, and when.
   * @throws ValueError for an unknown metric, a metric twice, or a number of batches that is no whole number from 1 on.
   */
  constructor(
    library: VisLibrary,
    container: VisContainer,
    layers: DiscreteRouter | GumbelMoE | (DiscreteRouter | GumbelMoE)[],
    {metrics = ['loss', 'maxViolation', 'entropy'], everyBatches}: RouterChartsOptions = {},
  ) {
    super();
    for (const metric of metrics) {
      checkOneOf('RouterCharts', 'metrics', metric, Object.keys(TITLES) as RouterChartMetric[]);
    }
    if (new Set(metrics).size < metrics.length) {
      throw new ValueError(`RouterCharts: metrics must differ from each other, but got ${show(metrics)}.`);
    }
    if (everyBatches !== undefined) checkCount('RouterCharts', 'everyBatches', everyBatches, 1);
    this.#library = library;
    this.#container = container;
    this.#layers = Array.isArray(layers) ? layers : [layers];
    this.#metrics = metrics;
    this.#everyBatches = everyBatches;
    this.#monitor = new RouterMonitor(layers);
    this.#curves = new Map(metrics.map(metric => [metric, {values: [], series: []}]));
  }

  /** The metrics of each epoch so far, by the layers' names. */
  get history(): readonly Record<string, RouterMetrics>[] {
    return this.#monitor.history;
  }

  /** Begins the count of an epoch. */
  override async onEpochBegin(): Promise<void> {
    await this.#monitor.onEpochBegin();
  }

  /** Draws after a batch, where it is one to draw after. */
  override async onBatchEnd(_batch: number, logs: Record<string, unknown> = {}): Promise<void> {
    ++this.#batches;
    if (this.#everyBatches === undefined || this.#batches % this.#everyBatches !== 0) return;
    const current: Record<string, RouterMetrics> = {};
    for (const layer of this.#layers) current[layer.name] = await routerMetrics(layer);
    await this.#addPoints(current, {loss: logs.loss});
    await this.#draw(current, `drawing, from 0: one every ${this.#everyBatches} batches`);
  }

  /** Records an epoch, and draws it unless batches are drawn. */
  override async onEpochEnd(epoch: number, logs: Record<string, unknown> = {}): Promise<void> {
    await this.#monitor.onEpochEnd(epoch, logs);
    if (this.#everyBatches !== undefined) return;
    const current = this.#monitor.history.at(-1)!;
    await this.#addPoints(current, {loss: logs.loss, 'loss of validation': logs.val_loss});
    await this.#draw(current, 'epoch of this fit, from 0');
  }

  /** Adds a point to each curve. */
  async #addPoints(current: Record<string, RouterMetrics>, losses: Record<string, unknown>): Promise<void> {
    for (const metric of this.#metrics) {
      if (metric === 'loss') {
        for (const [name, loss] of Object.entries(losses)) await this.#addLoss(name, loss);
      } else {
        for (const [layer, metrics] of Object.entries(current)) this.#addPoint(metric, layer, metrics[metric]);
      }
    }
  }

  /** Adds a loss, which tfjs logs as a number or a scalar that is its own; `fit` without validation logs none of it. */
  async #addLoss(name: string, loss: unknown): Promise<void> {
    const y = loss instanceof tf.Tensor ? (await loss.data())[0] : loss;
    if (typeof y === 'number') this.#addPoint('loss', name, y);
  }

  /** Adds y to a curve. Its x is the number of points before: tfjs-vis 1.5 draws a curve over that, whatever x is. */
  #addPoint(metric: RouterChartMetric, name: string, y: number): void {
    const curves = this.#curves.get(metric)!;
    if (!curves.series.includes(name)) {
      curves.series.push(name);
      curves.values.push([]);
    }
    const curve = curves.values[curves.series.indexOf(name)]!;
    curve.push({x: curve.length, y});
  }

  async #draw(current: Record<string, RouterMetrics>, xLabel: string): Promise<void> {
    const {barchart, linechart} = this.#library.render;
    for (const [name, {load}] of Object.entries(current)) {
      const bars = load.map((share, index) => ({index, value: share * load.length}));
      const options = {xLabel: 'expert', yLabel: 'load over a balanced share', height: HEIGHT};
      await barchart(this.#place(`load of ${name}`, `${name}: load of the experts`), bars, options);
    }
    for (const [metric, curves] of this.#curves) {
      if (curves.series.length === 0) continue; // tfjs-vis draws no chart without a curve
      await linechart(this.#place(metric, TITLES[metric]), curves, {xLabel, yLabel: '', height: HEIGHT});
    }
  }

  /** The element of one chart, under its title. */
  #place(key: string, title: string): HTMLElement {
    let place = this.#places.get(key);
    if (!place) {
      const container = elementOf(this.#library, this.#container);
      const heading = container.ownerDocument.createElement('h4');
      heading.textContent = title;
      place = container.ownerDocument.createElement('div');
      container.appendChild(heading);
      container.appendChild(place);
      this.#places.set(key, place);
    }
    return place;
  }
}
