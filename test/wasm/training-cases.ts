// What the wasm backend must train as the cpu backend does: every layer of tfjs-layers but the convolutions and the pooling, which have a
// test of their own, every activation, loss and optimizer, in models of a few numbers. What tfjs itself trains on no backend is left out:
// thresholdedReLU, an activity regularizer, batchNormalization without scale or along an inner axis.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {numbers} from '../support/enumerate.js';

/** A model and its data. Nothing in it is random but what `isRandom` says. */
export interface TrainingCase {
  title: string;
  layers: (input: tfl.SymbolicTensor) => tfl.SymbolicTensor;
  /** Of the examples, with their number. */
  inputShape: number[];
  /** The inputs are integers below this, from 0 on; by default they are numbers in (-1, 1). */
  vocabulary?: number;
  /** What is added to the layers' output before the loss, if anything: by default a dense layer of one unit for the mean squared error. */
  head?: (output: tfl.SymbolicTensor) => tfl.SymbolicTensor;
  target?: () => tf.Tensor;
  loss?: string | ((target: tf.Tensor, output: tf.Tensor) => tf.Tensor);
  optimizer?: () => tf.Optimizer;
  /** It draws noise: then only that it trains is asked, and not what. */
  isRandom?: boolean;
}

const NUM_EXAMPLES = 6;
const start = tfl.initializers.glorotUniform({}); // the weights are overwritten; the default of the recurrent layers takes long

const apply = (layer: tfl.layers.Layer, input: tfl.SymbolicTensor | tfl.SymbolicTensor[]) =>
  layer.apply(input) as tfl.SymbolicTensor;

/** Flat, dense, one number. */
const regress = (output: tfl.SymbolicTensor) =>
  apply(tfl.layers.dense({units: 1}), output.shape.length > 2 ? apply(tfl.layers.flatten(), output) : output);

/** A model of one layer after a dense one, so that the layer's gradient by its input matters too. */
function one(
  title: string,
  shape: number[],
  layer: () => tfl.layers.Layer,
  rest: Partial<TrainingCase> = {},
): TrainingCase {
  return {
    title,
    inputShape: [NUM_EXAMPLES, ...shape],
    layers: input => apply(layer(), apply(tfl.layers.dense({units: shape.at(-1)!}), input)),
    ...rest,
  };
}

/** A model of a layer that joins two dense ones. */
function two(title: string, shape: number[], join: () => tfl.layers.Layer): TrainingCase {
  const units = shape.at(-1)!;
  return {
    title,
    inputShape: [NUM_EXAMPLES, ...shape],
    layers: input =>
      apply(join(), [
        apply(tfl.layers.dense({units, activation: 'tanh'}), input),
        apply(tfl.layers.dense({units}), input),
      ]),
  };
}

const ACTIVATIONS = [
  'elu',
  'gelu',
  'gelu_new',
  'hardSigmoid',
  'linear',
  'logSoftmax',
  'mish',
  'relu',
  'relu6',
  'selu',
  'sigmoid',
  'softmax',
  'softplus',
  'softsign',
  'swish',
  'tanh',
] as const;

const recurrent = {units: 4, kernelInitializer: start, recurrentInitializer: start};

export const LAYERS: TrainingCase[] = [
  one('dense without a bias', [4], () => tfl.layers.dense({units: 3, useBias: false})),
  one('dense on sequences', [3, 4], () => tfl.layers.dense({units: 5, activation: 'relu'})),
  one('a regularized and bounded dense layer', [4], () =>
    tfl.layers.dense({
      units: 3,
      kernelRegularizer: tfl.regularizers.l1l2({l1: 0.01, l2: 0.02}),
      biasRegularizer: tfl.regularizers.l2({l2: 0.01}),
      kernelConstraint: tfl.constraints.maxNorm({maxValue: 0.7}),
      biasConstraint: tfl.constraints.nonNeg(),
    }),
  ),
  one('dense of norm one', [4], () =>
    tfl.layers.dense({units: 3, kernelConstraint: tfl.constraints.unitNorm({axis: 0})}),
  ),
  one('dense of bounded norm', [4], () =>
    tfl.layers.dense({units: 3, kernelConstraint: tfl.constraints.minMaxNorm({minValue: 0.3, maxValue: 0.6})}),
  ),
  {
    title: 'embedding',
    inputShape: [NUM_EXAMPLES, 5],
    vocabulary: 7,
    layers: input => apply(tfl.layers.embedding({inputDim: 7, outputDim: 3}), input),
  },
  {
    title: 'embedding, averaged',
    inputShape: [NUM_EXAMPLES, 5],
    vocabulary: 7,
    layers: input =>
      apply(tfl.layers.globalAveragePooling1d({}), apply(tfl.layers.embedding({inputDim: 7, outputDim: 3}), input)),
  },
  {
    title: 'embedding with a mask, and lstm',
    inputShape: [NUM_EXAMPLES, 5],
    vocabulary: 3,
    layers: input =>
      apply(
        tfl.layers.lstm(recurrent),
        apply(tfl.layers.embedding({inputDim: 3, outputDim: 3, maskZero: true}), input),
      ),
  },
  one('lstm', [5, 3], () => tfl.layers.lstm(recurrent)),
  one('lstm of sequences, backwards', [5, 3], () =>
    tfl.layers.lstm({...recurrent, returnSequences: true, goBackwards: true, recurrentActivation: 'sigmoid'}),
  ),
  one('lstm with the forget bias of one', [5, 3], () => tfl.layers.lstm({...recurrent, unitForgetBias: true})),
  one('gru', [5, 3], () => tfl.layers.gru(recurrent)),
  one('gru of sequences', [5, 3], () => tfl.layers.gru({...recurrent, returnSequences: true})),
  one('simpleRNN', [5, 3], () => tfl.layers.simpleRNN(recurrent)),
  one('rnn of stacked cells', [4, 3], () =>
    tfl.layers.rnn({
      cell: tfl.layers.stackedRNNCells({cells: [tfl.layers.gruCell(recurrent), tfl.layers.lstmCell(recurrent)]}),
    } as Parameters<typeof tfl.layers.rnn>[0]),
  ),
  ...(['concat', 'sum', 'mul', 'ave'] as const).map(mergeMode =>
    one(`bidirectional, ${mergeMode}`, [4, 3], () =>
      tfl.layers.bidirectional({layer: tfl.layers.lstm({...recurrent, returnSequences: true}) as tfl.RNN, mergeMode}),
    ),
  ),
  one('bidirectional of the last state', [4, 3], () =>
    tfl.layers.bidirectional({layer: tfl.layers.gru(recurrent) as tfl.RNN, mergeMode: 'concat'}),
  ),
  one('timeDistributed', [4, 3], () => tfl.layers.timeDistributed({layer: tfl.layers.dense({units: 2})})),
  one('masking, and lstm', [4, 3], () => tfl.layers.masking({maskValue: 0}), {
    layers: input => apply(tfl.layers.lstm(recurrent), apply(tfl.layers.masking({maskValue: 0}), input)),
    vocabulary: 2,
  }),
  one('batchNormalization', [4], () => tfl.layers.batchNormalization({})),
  one('batchNormalization of images', [3, 2, 4], () => tfl.layers.batchNormalization({momentum: 0.5})),
  one('layerNormalization', [4], () => tfl.layers.layerNormalization({})),
  one('layerNormalization of two axes', [3, 4], () => tfl.layers.layerNormalization({axis: [1, 2]})),
  one('flatten', [3, 4], () => tfl.layers.flatten()),
  one('reshape', [3, 4], () => tfl.layers.reshape({targetShape: [2, 6]})),
  one('permute', [3, 4, 2], () => tfl.layers.permute({dims: [3, 1, 2]})),
  one('repeatVector', [4], () => tfl.layers.repeatVector({n: 3})),
  // One example: of a batch the gradient of the cpu backend is wrong, because it looks for each image's gradient where the image itself is.
  one('upSampling2d', [3, 2, 2], () => tfl.layers.upSampling2d({size: [2, 3]}), {inputShape: [1, 3, 2, 2]}),
  one('zeroPadding2d', [3, 2, 2], () =>
    tfl.layers.zeroPadding2d({
      padding: [
        [1, 0],
        [2, 1],
      ],
    }),
  ),
  one('cropping2D', [4, 3, 2], () =>
    tfl.layers.cropping2D({
      cropping: [
        [1, 1],
        [0, 1],
      ],
    }),
  ),
  one('globalAveragePooling1d', [3, 4], () => tfl.layers.globalAveragePooling1d({})),
  one('globalAveragePooling2d', [3, 2, 4], () => tfl.layers.globalAveragePooling2d({})),
  one('globalMaxPooling1d', [3, 4], () => tfl.layers.globalMaxPooling1d({})),
  one('globalMaxPooling2d', [3, 2, 4], () => tfl.layers.globalMaxPooling2d({})),
  one('prelu', [4], () => tfl.layers.prelu({})),
  one('prelu with shared axes', [3, 4], () => tfl.layers.prelu({sharedAxes: [1]})),
  one('elu', [4], () => tfl.layers.elu({alpha: 1})),
  one('leakyReLU', [4], () => tfl.layers.leakyReLU({alpha: 0.2})),
  one('reLU with a ceiling', [4], () => tfl.layers.reLU({maxValue: 0.3})),
  one('softmax', [3, 4], () => tfl.layers.softmax({axis: -1})),
  one('activation', [4], () => tfl.layers.activation({activation: 'tanh'})),
  one('rescaling', [4], () => tfl.layers.rescaling({scale: 0.5, offset: 1})),
  two('add', [4], () => tfl.layers.add()),
  two('average', [4], () => tfl.layers.average()),
  two('maximum', [4], () => tfl.layers.maximum()),
  two('minimum', [4], () => tfl.layers.minimum()),
  two('multiply', [4], () => tfl.layers.multiply()),
  two('concatenate', [3, 4], () => tfl.layers.concatenate({axis: 1})),
  two('concatenate along the last axis', [3, 4], () => tfl.layers.concatenate()),
  two('dot', [4], () => tfl.layers.dot({axes: 1})),
  two('dot of matrices', [3, 4], () => tfl.layers.dot({axes: 2})),
  two('dot, normalized', [3, 4], () => tfl.layers.dot({axes: 1, normalize: true})),
  one('dropout', [4], () => tfl.layers.dropout({rate: 0.3}), {isRandom: true}),
  one('spatialDropout1d', [3, 4], () => tfl.layers.spatialDropout1d({rate: 0.3}), {isRandom: true}),
  one('gaussianNoise', [4], () => tfl.layers.gaussianNoise({stddev: 0.1}), {isRandom: true}),
  one('gaussianDropout', [4], () => tfl.layers.gaussianDropout({rate: 0.3}), {isRandom: true}),
  one('alphaDropout', [4], () => tfl.layers.alphaDropout({rate: 0.3}), {isRandom: true}),
  one('lstm with dropout', [5, 3], () => tfl.layers.lstm({...recurrent, dropout: 0.2, recurrentDropout: 0.2}), {
    isRandom: true,
  }),
  ...ACTIVATIONS.map(activation =>
    one(`dense, ${activation}`, [4], () => tfl.layers.dense({units: 3, activation: activation as 'tanh'})),
  ),
];

/** Which of three classes each example is of. */
const CLASSES = Array.from({length: NUM_EXAMPLES}, (_, i) => (i * i) % 3);
const oneHots = () =>
  tf.tensor2d(
    CLASSES.map(label => [0, 1, 2].map(k => (k === label ? 1 : 0))),
    [NUM_EXAMPLES, 3],
  );
const signs = () => tf.tidy(() => tf.sub(tf.mul(2, oneHots()), 1));

/** A loss on the output of three units. */
function lossCase(
  title: string,
  loss: TrainingCase['loss'] & {},
  activation: 'linear' | 'softmax' | 'sigmoid',
  target: () => tf.Tensor,
): TrainingCase {
  const head = (output: tfl.SymbolicTensor) => apply(tfl.layers.dense({units: 3, activation}), output);
  return {...one(title, [4], () => tfl.layers.dense({units: 4, activation: 'tanh'})), head, target, loss};
}

const ofLibrary = (title: keyof typeof tf.losses, activation: 'linear' | 'sigmoid', target: () => tf.Tensor) =>
  lossCase(
    `tf.losses.${title}`,
    (labels, output) => (tf.losses[title] as (labels: tf.Tensor, output: tf.Tensor) => tf.Tensor)(labels, output),
    activation,
    target,
  );

export const LOSSES: TrainingCase[] = [
  lossCase('meanSquaredError', 'meanSquaredError', 'linear', signs),
  lossCase('meanAbsoluteError', 'meanAbsoluteError', 'linear', signs),
  lossCase('meanAbsolutePercentageError', 'meanAbsolutePercentageError', 'linear', signs),
  lossCase('meanSquaredLogarithmicError', 'meanSquaredLogarithmicError', 'sigmoid', oneHots),
  lossCase('squaredHinge', 'squaredHinge', 'linear', signs),
  lossCase('hinge', 'hinge', 'linear', signs),
  lossCase('categoricalHinge', 'categoricalHinge', 'linear', oneHots),
  lossCase('logcosh', 'logcosh', 'linear', signs),
  lossCase('categoricalCrossentropy', 'categoricalCrossentropy', 'softmax', oneHots),
  lossCase('sparseCategoricalCrossentropy', 'sparseCategoricalCrossentropy', 'softmax', () =>
    tf.tensor2d(CLASSES, [NUM_EXAMPLES, 1]),
  ),
  lossCase('binaryCrossentropy', 'binaryCrossentropy', 'sigmoid', oneHots),
  lossCase('kullbackLeiblerDivergence', 'kullbackLeiblerDivergence', 'softmax', oneHots),
  lossCase('poisson', 'poisson', 'sigmoid', oneHots),
  lossCase('cosineProximity', 'cosineProximity', 'linear', signs),
  ofLibrary('absoluteDifference', 'linear', signs),
  ofLibrary('hingeLoss', 'linear', oneHots),
  ofLibrary('huberLoss', 'linear', signs),
  ofLibrary('logLoss', 'sigmoid', oneHots),
  ofLibrary('meanSquaredError', 'linear', signs),
  ofLibrary('sigmoidCrossEntropy', 'linear', oneHots),
  ofLibrary('softmaxCrossEntropy', 'linear', oneHots),
  lossCase(
    'tf.losses.cosineDistance',
    (labels, output) => tf.losses.cosineDistance(labels, output, 1),
    'linear',
    signs,
  ),
];

const optimizerCase = (title: string, optimizer: () => tf.Optimizer): TrainingCase => ({
  ...one(title, [4], () => tfl.layers.dense({units: 5, activation: 'tanh'})),
  optimizer,
});

export const OPTIMIZERS: TrainingCase[] = [
  optimizerCase('sgd', () => tf.train.sgd(0.1)),
  optimizerCase('momentum', () => tf.train.momentum(0.05, 0.9)),
  optimizerCase('momentum of Nesterov', () => tf.train.momentum(0.05, 0.9, true)),
  optimizerCase('adagrad', () => tf.train.adagrad(0.1)),
  optimizerCase('adadelta', () => tf.train.adadelta(0.5)),
  optimizerCase('adam', () => tf.train.adam(0.01)),
  optimizerCase('adamax', () => tf.train.adamax(0.01)),
  optimizerCase('rmsprop', () => tf.train.rmsprop(0.01)),
  optimizerCase('rmsprop, centered, with momentum', () => tf.train.rmsprop(0.01, 0.9, 0.5, 1e-7, true)),
];

/** What a training run came to. */
export interface TrainingRun {
  losses: number[];
  /** After the training, of all examples. */
  predictions: number[];
}

/** Trains the model of a case on the active backend for some steps, from weights that are the same each time. */
export async function train(
  {layers, inputShape, vocabulary, head = regress, target, loss, optimizer}: TrainingCase,
  numSteps = 4,
): Promise<TrainingRun> {
  const input = tfl.input({shape: inputShape.slice(1)});
  const model = tfl.model({inputs: input, outputs: head(layers(input))});
  const uniform = numbers(11, tf.util.sizeFromShape(inputShape));
  const x = tf.tensor(vocabulary ? uniform.map(u => Math.floor(((u + 1) / 2) * vocabulary)) : uniform, inputShape);
  const y = target ? target() : tf.tensor2d(numbers(12, inputShape[0]!), [inputShape[0]!, 1]);
  const weights = model.weights.map((weight, i) => {
    const isPositive = weight.name.includes('variance');
    return tf.tensor(
      numbers(20 + i, tf.util.sizeFromShape(weight.shape as number[]), isPositive ? 0.2 : -0.8, 0.9),
      weight.shape as number[],
    );
  });
  const usedOptimizer = optimizer ? optimizer() : tf.train.sgd(0.02);
  try {
    model.setWeights(weights);
    model.compile({optimizer: usedOptimizer, loss: (loss ?? 'meanSquaredError') as string});
    const losses: number[] = [];
    for (let step = 0; step < numSteps; ++step) losses.push((await model.trainOnBatch(x, y)) as number);
    const predictions = tf.tidy(() => Array.from((model.predict(x) as tf.Tensor).dataSync()));
    return {losses, predictions};
  } finally {
    model.dispose();
    usedOptimizer.dispose();
    tf.dispose([x, y, weights]);
  }
}
