// What every layer that draws keeps: its temperature, its step and its noise.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {checkPositive, ValueError} from '../errors.js';
import {hostScalar} from '../ops/host-read.js';
import type {RandomSource} from '../random/random-source.js';
import {type LayerRandom, layerRandom, scopeOf} from './layer-random.js';

/** Makes a weight of the layer; `Layer.addWeight`, which is not public. */
export type AddWeight = (
  name: string,
  shape: number[],
  dtype: 'float32' | 'int32',
  initializer: ReturnType<typeof tfl.initializers.zeros>,
  trainable: boolean,
) => tfl.LayerVariable;

/** The saved state behind a layer's draws. A layer makes one in its constructor and builds it in its own `build`. */
export class SamplerState {
  readonly #owner: string;
  readonly #initialTemperature: number;
  readonly #seed: number | undefined;
  #random!: LayerRandom;
  #scope = '';
  #temperature: tfl.LayerVariable | undefined;
  #step: tfl.LayerVariable | undefined;

  /** @param owner The layer's class, for the error messages. */
  constructor(owner: string, {temperature, seed}: {temperature: number; seed: number | undefined}) {
    this.#owner = owner;
    this.#initialTemperature = temperature;
    this.#seed = seed;
  }

  /** Where the layer stands in its model; empty before it is built. */
  get scope(): string {
    return this.#scope;
  }

  /** The temperature in force. */
  get temperature(): number {
    return this.#temperature === undefined ? this.#initialTemperature : hostScalar(this.#temperature.read());
  }

  set temperature(value: number) {
    checkPositive(this.#owner, 'temperature', value);
    this.assertBuilt('temperature');
    tf.tidy(() => {
      this.#temperature!.write(tf.scalar(value));
    });
  }

  /** How many training calls the layer has seen. */
  get step(): number {
    return this.#step === undefined ? 0 : hostScalar(this.#step.read());
  }

  /** Makes the two weights. They are written from the host, where an initializer may compute on the device: `hostScalar` reads them back. */
  build(layer: tfl.layers.Layer, addWeight: AddWeight): void {
    const zeros = tfl.initializers.zeros();
    const temperature = addWeight('temperature', [], 'float32', zeros, false);
    const step = addWeight('step', [], 'int32', zeros, false);
    tf.tidy(() => {
      temperature.write(tf.scalar(this.#initialTemperature));
      step.write(tf.scalar(0, 'int32'));
    });
    this.#temperature = temperature;
    this.#step = step;
    this.#scope = scopeOf(layer, temperature);
    this.#random = layerRandom(this.#seed, this.#scope);
  }

  /** The noise of this training call, which it counts. */
  nextStep(): RandomSource {
    const step = this.step;
    tf.tidy(() => {
      this.#step!.write(tf.scalar(step + 1, 'int32'));
    });
    return this.#random.atStep(step);
  }

  /** A seed for a part of the layer; undefined where the layer has none. */
  childSeed(index: number): number | undefined {
    return this.#random.childSeed(index);
  }

  /** Refuses to give what there is only once the layer is built. */
  assertBuilt(field: string): void {
    if (this.#temperature === undefined) {
      throw new ValueError(
        `${this.#owner}: ${field} is there once the layer is built. Call it, or put it into a model, first.`,
      );
    }
  }

  /** Says in an error of a router or estimator which layer it was in: a model may hold many. */
  named<T>(fn: () => T): T {
    try {
      return fn();
    } catch (error) {
      if (error instanceof ValueError) throw new ValueError(`${this.#owner} "${this.#scope}": ${error.message}`);
      throw error;
    }
  }
}
