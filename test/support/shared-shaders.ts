// On webgl, one shader for all shapes of an operation of an entry each, where the default is one for each shape: SwiftShader takes 20 ms for a
// shader, and the suite has ten thousand shapes. The flag WEBGL_USE_SHAPES_UNIFORMS of TensorFlow.js says so, but with it softmax, sum, where and
// oneHot of some shapes give other numbers. So those keep the default, and what is large.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** Far below the side of the largest texture, 8192 with SwiftShader. */
const MAX_SIZE = 1024;
const SHARED = new Set([
  'Abs',
  'Add',
  'Cast',
  'Exp',
  'Log',
  'Multiply',
  'Neg',
  'RealDiv',
  'Relu',
  'Sigmoid',
  'Sqrt',
  'Square',
  'Sub',
  'Tanh',
]);

/** Sets the flag before each operation. */
export function shareShaders(): void {
  const engine = tf.engine();
  const runKernel = engine.runKernel.bind(engine);
  engine.runKernel = (name, inputs, attributes) => {
    const operands = Object.values(inputs).flat() as readonly (tf.Tensor | null | undefined)[];
    tf.env().set(
      'WEBGL_USE_SHAPES_UNIFORMS',
      SHARED.has(name) && operands.every(operand => (operand?.size ?? 0) <= MAX_SIZE),
    );
    return runKernel(name, inputs, attributes);
  };
}
