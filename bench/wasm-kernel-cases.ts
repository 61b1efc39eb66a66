// For each kernel of tfjs-moe/wasm that is there for its speed, an op that runs it, at a size that occurs in training.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {ESTIMATORS, type EstimatorName, seeded} from 'tfjs-moe/estimators';
import {assign, combineRows, dispatchRows, groupedDense, groupedMatMul, planRows} from 'tfjs-moe/router';

/** What a kernel is measured by. */
export interface KernelCase {
  /** The op with its sizes, as the table names it. */
  title: string;
  /** Makes the inputs on the active backend; what comes back runs the op once and returns when it is done. */
  prepare(): () => void;
}

const numbers = (...shape: number[]) => tf.randomUniform(shape, -1, 1, 'float32', 1);
const indices = (count: number, depth: number) => tf.randomUniform([count], 0, depth, 'int32', 2) as tf.Tensor1D;
const run = (compute: () => tf.TensorContainer) => () => {
  tf.dispose(compute());
};

/** A step of an optimizer over the weights of 784-512-256-10. */
function optimizerStep(optimizer: tf.Optimizer): () => void {
  const shapes = [[784, 512], [512], [512, 256], [256], [256, 10], [10]];
  const gradients = shapes.map(shape => ({
    name: tf.variable(tf.tidy(() => numbers(...shape))).name,
    tensor: numbers(...shape) as tf.Variable,
  }));
  return () => optimizer.applyGradients(gradients);
}

/** The gradient of a sum of f(x) * dy with respect to x. */
function gradientStep<T extends tf.Tensor>(x: T, f: (x: T) => tf.Tensor): () => void {
  const dy = tf.tidy(() => tf.onesLike(f(x)));
  const gradient = tf.grad(f as (x: tf.Tensor) => tf.Tensor);
  return run(() => gradient(x, dy));
}

const images = () => numbers(32, 14, 14, 32) as tf.Tensor4D;
const pool = (kind: 'max' | 'avg') => () => {
  const x = images();
  return gradientStep(x, y => (kind === 'max' ? tf.maxPool(y, 2, 2, 'valid') : tf.avgPool(y, 2, 2, 'valid')));
};
const reduction = (reduce: (x: tf.Tensor, axis: number) => tf.Tensor): KernelCase['prepare'] => {
  return () => {
    const x = numbers(1024, 256);
    return run(() => reduce(x, 0));
  };
};
const unary = (shape: number[], compute: (x: tf.Tensor) => tf.TensorContainer): KernelCase['prepare'] => {
  return () => {
    const x = numbers(...shape);
    return run(() => compute(x));
  };
};
const groups = () => new Array<number>(16).fill(64);
/** The rows of 1,024 tokens, each with two of 16 experts. */
const rowPlan = () => {
  const experts = Array.from({length: 1024}, (_, t) => [(7 * t) % 16, (7 * t + 5) % 16]);
  return planRows(assign(tf.tensor2d(experts, [1024, 2], 'int32'), 16));
};

/** A choice and its gradient. */
function estimation(name: EstimatorName): KernelCase {
  const {estimate, title} = ESTIMATORS[name];
  return {
    title: `${title}, forward and backward, [1024,16]`,
    prepare: () => {
      const random = seeded(1);
      return gradientStep(numbers(1024, 16), x => estimate(x, {random}).sample);
    },
  };
}

/** By the kernel's name. */
export const KERNEL_CASES: Record<string, KernelCase> = {
  AdamUpdate: {title: 'Adam, 535,818 weights', prepare: () => optimizerStep(tf.train.adam())},
  AvgPoolGrad: {title: 'avgPool and gradient, 2 x 2, [32,14,14,32]', prepare: pool('avg')},
  MaxPoolGrad: {title: 'maxPool and gradient, 2 x 2, [32,14,14,32]', prepare: pool('max')},
  BatchMatMul: {
    title: "gradient of a weight, [100,784]' x [100,512]",
    prepare: () => {
      const [a, b] = [numbers(100, 784) as tf.Tensor2D, numbers(100, 512) as tf.Tensor2D];
      return run(() => tf.matMul(a, b, true));
    },
  },
  _FusedMatMul: {
    title: 'fused.matMul with bias and relu, [100,784] x a fresh [784,512]',
    prepare: () => {
      const [a, b, bias] = [numbers(100, 784) as tf.Tensor2D, numbers(784, 512), numbers(512)];
      return run(() => {
        // A weight is new after every step: what the stock kernel has packed of the old one is of no use.
        const fresh = tf.add(b, 0) as tf.Tensor2D;
        return [fresh, tf.fused.matMul({a, b: fresh, bias, activation: 'relu'})];
      });
    },
  },
  Concat: {
    title: 'concat of four [1024,64], axis 1',
    prepare: () => {
      const parts = [1, 2, 3, 4].map(() => numbers(1024, 64));
      return run(() => tf.concat(parts, 1));
    },
  },
  Conv2DBackpropFilter: {
    title: 'conv2d and gradient of its filter, [8,14,14,16] 3 x 3 to 32',
    prepare: () => {
      const [x, filter] = [numbers(8, 14, 14, 16) as tf.Tensor4D, numbers(3, 3, 16, 32) as tf.Tensor4D];
      return gradientStep(filter, w => tf.conv2d(x, w, 1, 'same'));
    },
  },
  Conv2DBackpropInput: {
    title: 'conv2dTranspose, [32,14,14,64] 3 x 3 to 32',
    prepare: () => {
      const [dy, filter] = [numbers(32, 14, 14, 64) as tf.Tensor4D, numbers(3, 3, 32, 64) as tf.Tensor4D];
      return run(() => tf.conv2dTranspose(dy, filter, [32, 14, 14, 32], 1, 'same'));
    },
  },
  DepthwiseConv2dNativeBackpropFilter: {
    title: 'depthwiseConv2d and gradient of its filter, [32,14,14,32] 3 x 3',
    prepare: () => {
      const [x, filter] = [images(), numbers(3, 3, 32, 1) as tf.Tensor4D];
      return gradientStep(filter, w => tf.depthwiseConv2d(x, w, 1, 'same'));
    },
  },
  DepthwiseConv2dNativeBackpropInput: {
    title: 'depthwiseConv2d and gradient of its input',
    prepare: () => {
      const [x, filter] = [images(), numbers(3, 3, 32, 1) as tf.Tensor4D];
      return gradientStep(x, y => tf.depthwiseConv2d(y, filter, 1, 'same'));
    },
  },
  Einsum: {
    title: "einsum('bqd,bkd->bqk'), [8,64,32] with [8,64,32]",
    prepare: () => {
      const [a, b] = [numbers(8, 64, 32), numbers(8, 64, 32)];
      return run(() => tf.einsum('bqd,bkd->bqk', a, b));
    },
  },
  GatherV2: {
    title: 'gather of 1024 rows of 128',
    prepare: () => {
      const [x, rows] = [numbers(1024, 128), indices(1024, 1024)];
      return run(() => tf.gather(x, rows));
    },
  },
  UnsortedSegmentSum: {
    title: 'unsortedSegmentSum of 1024 rows of 128 into 32',
    prepare: () => {
      const [x, rows] = [numbers(1024, 128), indices(1024, 32)];
      return run(() => tf.unsortedSegmentSum(x, rows, 32));
    },
  },
  CombineRows: {
    title: 'combineRows, 1024 tokens of 128, two experts each',
    prepare: () => {
      const [outputs, weights] = [numbers(2048, 128) as tf.Tensor2D, numbers(1024, 2) as tf.Tensor2D];
      const plan = rowPlan();
      return run(() => combineRows(outputs, weights, plan));
    },
  },
  CombineRowsGradient: {
    title: 'forward and backward of the same',
    prepare: () => {
      const weights = numbers(1024, 2) as tf.Tensor2D;
      const plan = rowPlan();
      return gradientStep(numbers(2048, 128) as tf.Tensor2D, outputs => combineRows(outputs, weights, plan));
    },
  },
  SumRows: {
    title: 'dispatchRows of the same tokens, forward and backward',
    prepare: () => {
      const plan = rowPlan();
      return gradientStep(numbers(1024, 128) as tf.Tensor2D, tokens => dispatchRows(tokens, plan));
    },
  },
  GroupedFinishGrad: {
    title: 'groupedDense and gradients, 1024 rows in 16 groups, 128 to 128',
    prepare: () => {
      const kernels = groups().map(() => numbers(128, 128) as tf.Tensor2D);
      const biases = groups().map(() => numbers(128) as tf.Tensor1D);
      return gradientStep(numbers(1024, 128) as tf.Tensor2D, x => groupedDense(x, kernels, biases, groups(), 'relu'));
    },
  },
  GroupedMatMul: {
    title: 'groupedMatMul, 1024 rows in 16 groups, 128 to 128',
    prepare: () => {
      const [a, b] = [numbers(1024, 128) as tf.Tensor2D, numbers(16, 128, 128) as tf.Tensor3D];
      return run(() => groupedMatMul(a, b, groups()));
    },
  },
  GroupedMatMulGradB: {
    title: 'forward and backward of the same',
    prepare: () => {
      const [a, b] = [numbers(1024, 128) as tf.Tensor2D, numbers(16, 128, 128) as tf.Tensor3D];
      return gradientStep(b, w => groupedMatMul(a, w, groups()));
    },
  },
  Mean: {title: 'mean of [1024,256], axis 0', prepare: reduction(tf.mean)},
  Sum: {title: 'sum of [1024,256], axis 0', prepare: reduction(tf.sum)},
  Reverse: {title: 'reverse of [32,20,64], axis 1', prepare: unary([32, 20, 64], x => tf.reverse(x, 1))},
  Slice: {
    title: 'slice of one step of [32,20,64]',
    prepare: unary([32, 20, 64], x => tf.slice(x, [0, 7, 0], [32, 1, 64])),
  },
  SplitV: {title: 'split of [32,256] into four', prepare: unary([32, 256], x => tf.split(x, 4, 1))},
  Tile: {title: 'tile of [1,256] to [100,256]', prepare: unary([1, 256], x => tf.tile(x, [100, 1]))},
  Unpack: {title: 'unstack of [20,32,64]', prepare: unary([20, 32, 64], x => tf.unstack(x))},
  Greater: {title: 'greater of [640,256] and a number', prepare: unary([640, 256], x => tf.greater(x, 0.5))},
  LogicalAnd: {
    title: 'logicalAnd of two [640,256]',
    prepare: () => {
      const [a, b] = [tf.cast(numbers(640, 256), 'bool'), tf.cast(numbers(640, 256), 'bool')];
      return run(() => tf.logicalAnd(a, b));
    },
  },
  Maximum: {title: 'maximum of [640,256] and a number', prepare: unary([640, 256], x => tf.maximum(x, 0.5))},
  Pow: {title: 'third power of [640,256]', prepare: unary([640, 256], x => tf.pow(x, 3))},
  Select: {
    title: 'where of two [640,256]',
    prepare: () => {
      const [a, b] = [numbers(640, 256), numbers(640, 256)];
      const condition = tf.cast(tf.relu(a), 'bool');
      return run(() => tf.where(condition, a, b));
    },
  },
  Tanh: {title: 'tanh of [640,256]', prepare: unary([640, 256], x => tf.tanh(x))},
  PhiloxUniforms: {
    title: '16,384 uniforms of a seed',
    prepare: () => {
      const random = seeded(1);
      return () => {
        random.uniform(16_384);
      };
    },
  },
  SoftmaxGradient: estimation('straightThrough'),
  ReinmaxGradient: estimation('reinmax'),
  GumbelNoise: estimation('straightThroughGumbelSoftmax'),
  GumbelRaoGradient: estimation('gumbelRao'),
};
