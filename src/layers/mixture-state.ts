// What a sparse mixture learns or keeps beside its router and experts.
// SPDX-License-Identifier: Apache-2.0
import type * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';

/** Which of them a mixture needs. */
export interface MixtureStateArgs {
  /** A learned factor of each output feature. */
  hasScale: boolean;
  /** The running mean of each expert's outputs. */
  hasMeans: boolean;
  numExperts: number;
}

/** Holds weights; it is built for the experts' units, and never called. */
export class MixtureState extends tfl.layers.Layer {
  /** The name under which tfjs finds the class; the layer around it makes it anew. */
  static readonly className = 'MixtureState';

  readonly #args: MixtureStateArgs;
  #scale: tfl.LayerVariable | undefined;
  #means: tfl.LayerVariable | undefined;

  constructor(args: MixtureStateArgs) {
    super({name: 'mixture'});
    this.#args = args;
  }

  override build(inputShape: tfl.Shape): void {
    const units = inputShape[inputShape.length - 1]!;
    const {hasScale, hasMeans, numExperts} = this.#args;
    if (hasScale) this.#scale = this.addWeight('scale', [units], 'float32', tfl.initializers.ones());
    if (hasMeans) {
      const zeros = tfl.initializers.zeros();
      this.#means = this.addWeight('means', [numExperts, units], 'float32', zeros, undefined, false);
    }
    this.built = true;
  }

  /** The factors, [units]. */
  get scale(): tf.Tensor1D | undefined {
    return this.#scale?.read() as tf.Tensor1D | undefined;
  }

  /** The running means, [experts, units]. */
  get means(): tfl.LayerVariable | undefined {
    return this.#means;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor | tf.Tensor[] {
    return inputs;
  }
}
