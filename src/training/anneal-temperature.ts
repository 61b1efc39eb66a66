// Changes the temperature of layers while `fit` runs.
// SPDX-License-Identifier: Apache-2.0
import * as tfl from '@tensorflow/tfjs-layers';
import {checkOneOf} from '../errors.js';
import type {Schedule} from './schedules.js';

/** A layer with a temperature that is saved with it, such as `DiscreteRouter` and `GumbelMoE`. */
export interface Annealable {
  /** Dimensionless, > 0. */
  temperature: number;
  /** Training calls so far; saved with the layer. */
  readonly step: number;
}

/** Options of `AnnealTemperature`. */
export interface AnnealTemperatureOptions {
  /**
   * What the schedule counts. 'batch': training calls of the layer, which are saved with it, so that training on after
   * loading goes on with the schedule. 'epoch': epochs of `fit`, counted from its `initialEpoch`. Default 'batch'.
   */
  per?: 'batch' | 'epoch';
}

/**
 * A callback of `fit` that sets the temperature of one or more layers by a schedule, before each batch or epoch. The
 * temperature is a weight of the layer, and is saved with the model.
 *
 * @example
 * ```ts
 * const anneal = new AnnealTemperature(moe, exponentialSchedule({from: 1, rate: 1e-3, minimum: 0.5}));
 * await model.fit(x, y, {epochs: 2, callbacks: anneal});
 * ```
 */
export class AnnealTemperature extends tfl.Callback {
  readonly #layers: readonly Annealable[];
  readonly #schedule: Schedule;
  readonly #per: 'batch' | 'epoch';

  /**
   * @param layers One layer or several.
   * @param schedule From the step to the temperature.
   * @param options What a step is.
   */
  constructor(layers: Annealable | Annealable[], schedule: Schedule, {per = 'batch'}: AnnealTemperatureOptions = {}) {
    super();
    checkOneOf('AnnealTemperature', 'per', per, ['batch', 'epoch'] as const);
    this.#layers = Array.isArray(layers) ? layers : [layers];
    this.#schedule = schedule;
    this.#per = per;
  }

  /** Sets the temperature of an epoch. */
  override async onEpochBegin(epoch: number): Promise<void> {
    if (this.#per === 'epoch') this.#set(() => epoch);
  }

  /** Sets the temperature of a batch. */
  override async onBatchBegin(): Promise<void> {
    if (this.#per === 'batch') this.#set(layer => layer.step);
  }

  #set(stepOf: (layer: Annealable) => number): void {
    for (const layer of this.#layers) layer.temperature = this.#schedule(stepOf(layer));
  }
}
