// Dropout whose masks come from a stream that is set from outside: that of tfjs draws the same mask at each step for a fixed seed, and cannot be
// repeated without one.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {type RandomSource, unseeded} from 'tfjs-moe/estimators';
import type {LayerArgs} from 'tfjs-moe/layers';
import {ValueError} from 'tfjs-moe/node';

/** Arguments of `StepDropout`. */
export interface StepDropoutArgs extends LayerArgs {
  /** The share of the entries that are left out, from 0 to below 1. */
  rate: number;
}

/**
 * In training output = input * keep / (1 - rate), where each entry of keep is 1 with probability 1 - rate and else 0; in inference the input.
 *
 * `random` is where the masks come from. A loop sets it before each step, to a stream of the step's own; until then it is unseeded.
 *
 * Input and output shape: any, the same. Call arguments: `training`. A mask of the input is passed on.
 */
export class StepDropout extends tfl.layers.Layer {
  static readonly className = 'StepDropout';

  readonly #rate: number;
  /** Each training call takes a number for each entry of its input. */
  random: RandomSource = unseeded();

  constructor({rate, ...rest}: StepDropoutArgs) {
    super(rest);
    if (!(rate >= 0 && rate < 1)) {
      throw new ValueError(`StepDropout: rate must be a number of at least 0 and below 1, but got ${rate}.`);
    }
    this.#rate = rate;
    this.supportsMasking = true; // the base class then hands the mask on as it is
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs?: {training?: boolean}): tf.Tensor {
    const input = Array.isArray(inputs) ? inputs[0]! : inputs;
    if (kwargs?.training !== true || this.#rate === 0) return tf.clone(input);
    return tf.tidy(() => {
      const scale = 1 / (1 - this.#rate);
      const uniforms = this.random.uniform(input.size);
      const factors = new Float32Array(input.size);
      for (let i = 0; i < factors.length; ++i) factors[i] = uniforms[i]! < this.#rate ? 0 : scale;
      return tf.mul(input, tf.tensor(factors, input.shape));
    });
  }

  override computeOutputShape(inputShape: tfl.Shape): tfl.Shape {
    return inputShape;
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), rate: this.#rate};
  }
}
tf.serialization.registerClass(StepDropout);
