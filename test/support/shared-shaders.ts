// On webgl, one shader for all shapes of an operation, where the default is one for each shape: SwiftShader takes 20 ms for a shader, and the suite has
// ten thousand shapes. The flag WEBGL_USE_SHAPES_UNIFORMS of TensorFlow.js says so, but is wrong beyond the side of the largest texture, 8192 with
// SwiftShader: softmax, sum, where and oneHot of [20000, 3] give other numbers. So large tensors keep the default.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** Far below 8192, so that what an operation makes of its operands stays so, too. */
const MAX_SIZE = 1024;

/** Sets the flag before each operation by the size of its operands. */
export function shareShaders(): void {
  const engine = tf.engine();
  const runKernel = engine.runKernel.bind(engine);
  engine.runKernel = (name, inputs, attributes) => {
    const operands = Object.values(inputs).flat() as readonly (tf.Tensor | null | undefined)[];
    tf.env().set(
      'WEBGL_USE_SHAPES_UNIFORMS',
      operands.every(operand => (operand?.size ?? 0) <= MAX_SIZE),
    );
    return runKernel(name, inputs, attributes);
  };
}
