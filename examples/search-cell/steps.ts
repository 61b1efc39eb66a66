// The two steps of a search: of the weights on a batch of one half of the images, and of the choices on a batch of the other.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ESTIMATORS} from 'tfjs-moe/estimators';
import type {SearchNetwork} from './network.js';
import {applyChoiceGradient, applyWeightGradients, type Gradients} from './optimizers.js';
import type {Settings} from './settings.js';

/** Images with their classes. */
export interface Batch {
  /** [batch, height, width, channels], normalised. */
  images: Float32Array;
  shape: [batch: number, height: number, width: number, channels: number];
  labels: Uint8Array;
}

/** What a step found with the weights and the choices before it. */
export interface StepFigures {
  /** Mean cross-entropy in nats. */
  loss: number;
  /** How many images were classified right. */
  correct: number;
}

/** What a search trains. */
export interface Learner {
  settings: Pick<Settings, 'estimator' | 'clip'>;
  network: SearchNetwork;
  weightOptimizer: tf.MomentumOptimizer;
  choiceOptimizer: tf.AdamOptimizer;
}

/** The weights of which the first step takes a gradient, in an order that stays: all but the logits of the choice. */
export function weightVariables({model, architecture}: SearchNetwork): tf.Variable[] {
  const logits = architecture.logits.read();
  return model.weights
    .filter(({trainable}) => trainable)
    .map(weight => weight.read() as tf.Variable)
    .filter(variable => variable !== logits);
}

/** Draws a cell and moves its weights. @param rate The learning rate. */
export async function weightStep(learner: Learner, batch: Batch, rate: number): Promise<StepFigures> {
  const {network, weightOptimizer, settings} = learner;
  const variables = weightVariables(network);
  network.architecture.trainable = false; // spares the gradient of the choice
  try {
    return await step(learner, batch, variables, gradients => {
      applyWeightGradients(weightOptimizer, variables, gradients, {rate, clip: settings.clip});
    });
  } finally {
    network.architecture.trainable = true;
  }
}

/** Draws a cell and moves the logits of the choice. */
export function choiceStep(learner: Learner, batch: Batch): Promise<StepFigures> {
  const logits = learner.network.architecture.logits.read() as tf.Variable;
  return step(learner, batch, [logits], ([gradient]) => {
    // None where every edge into the output drew 'none' and zeros stand for the rest: the draw says nothing.
    applyChoiceGradient(learner.choiceOptimizer, logits, gradient ?? tf.zerosLike(logits));
  });
}

async function step(
  {network, settings}: Learner,
  {images, shape, labels}: Batch,
  variables: tf.Variable[],
  apply: (gradients: Gradients) => void,
): Promise<StepFigures> {
  const {model, architecture} = network;
  // A device that keeps its tensors must know the draw beforehand; a relaxed one has all operations computed.
  if (ESTIMATORS[settings.estimator].hard) await architecture.draw();
  const figures = tf.tidy(() => {
    const x = tf.tensor4d(images, shape);
    const wanted = tf.tensor1d(labels, 'int32');
    let kept: tf.Tensor2D | undefined;
    const {value, grads} = tf.variableGrads(() => {
      const logits = model.apply(x, {training: true}) as tf.Tensor2D;
      kept = tf.keep(tf.clone(logits));
      const classes = logits.shape[1];
      return tf.losses.softmaxCrossEntropy(tf.cast(tf.oneHot(wanted, classes), 'float32'), logits) as tf.Scalar;
    }, variables);
    apply(variables.map(({name}) => grads[name] ?? null));
    const correct = tf.sum(tf.cast(tf.equal(tf.argMax(kept!, 1), wanted), 'float32'));
    kept!.dispose();
    return tf.stack([value, correct]);
  });
  const [loss, correct] = (await figures.data()) as unknown as [number, number];
  figures.dispose();
  return {loss, correct};
}
