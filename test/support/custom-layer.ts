// A user's own layer, as an expert: multiplies by a learned scale, with a regularizer.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';

export class LearnedScale extends tfl.layers.Layer {
  static readonly className = 'LearnedScale';
  #scale!: tfl.LayerVariable;

  override build(): void {
    const ones = tfl.initializers.ones();
    this.#scale = this.addWeight('scale', [1], 'float32', ones, tfl.regularizers.l2({l2: 0.5}));
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.mul(Array.isArray(inputs) ? inputs[0]! : inputs, this.#scale.read());
  }

  override computeOutputShape(inputShape: tfl.Shape): tfl.Shape {
    return inputShape;
  }
}
tf.serialization.registerClass(LearnedScale);
