// Records, epoch by epoch of `fit`, what routers do.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import type {DiscreteRouter} from '../layers/discrete-router.js';
import type {GumbelMoE} from '../layers/gumbel-moe.js';
import {type RouterMetrics, resetRouterMetrics, routerMetrics} from '../layers/router-metrics.js';

/** The metrics that go into the logs. */
const LOGGED = ['entropy', 'maxViolation', 'deadExperts', 'droppedFraction', 'routerConfidence'] as const;

/** Options of `RouterMonitor`. */
export interface RouterMonitorOptions {
  /** Called at the end of each epoch with the metrics of each layer, by name. */
  onEpoch?: (epoch: number, metrics: Record<string, RouterMetrics>) => void;
}

/**
 * A callback of `fit` that records the routing metrics of each epoch's training tokens, and adds those that are one
 * number to the logs that `fit` returns: `<layer>_entropy`, `<layer>_maxViolation`, `<layer>_deadExperts`,
 * `<layer>_droppedFraction` and `<layer>_routerConfidence`.
 *
 * @example
 * ```ts
 * const monitor = new RouterMonitor(moe);
 * await model.fit(x, y, {epochs: 2, callbacks: monitor});
 * monitor.history[1][moe.name].load; // the share of tokens of each expert
 * ```
 */
export class RouterMonitor extends tfl.Callback {
  /** The metrics of each epoch so far, by the layers' names. */
  readonly history: Record<string, RouterMetrics>[] = [];
  readonly #layers: readonly (DiscreteRouter | GumbelMoE)[];
  readonly #onEpoch: RouterMonitorOptions['onEpoch'];

  /**
   * @param layers One layer or several, of different names.
   * @param options What to call at the end of an epoch.
   */
  constructor(
    layers: DiscreteRouter | GumbelMoE | (DiscreteRouter | GumbelMoE)[],
    {onEpoch}: RouterMonitorOptions = {},
  ) {
    super();
    this.#layers = Array.isArray(layers) ? layers : [layers];
    this.#onEpoch = onEpoch;
  }

  /** Begins the count of an epoch. */
  override async onEpochBegin(): Promise<void> {
    for (const layer of this.#layers) resetRouterMetrics(layer);
  }

  /** Records an epoch. */
  override async onEpochEnd(epoch: number, logs: Record<string, unknown> = {}): Promise<void> {
    const metrics: Record<string, RouterMetrics> = {};
    for (const layer of this.#layers) {
      const ofLayer = await routerMetrics(layer);
      metrics[layer.name] = ofLayer;
      for (const name of LOGGED) logs[`${layer.name}_${name}`] = ofLayer[name];
    }
    this.history.push(metrics);
    this.#onEpoch?.(epoch, metrics);
  }
}
