// On webgl, one shader for all shapes of an operation, where the default is one for each shape: SwiftShader takes 20 ms for a shader, and the
// suite has ten thousand shapes. The flag WEBGL_USE_SHAPES_UNIFORMS of TensorFlow.js says so. With it a view of another shape than its texture
// is read wrongly where an axis of 1 is dropped, as by the product of a oneHot that was reshaped. So those keep the default, and what is large.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';

/** Far below the side of the largest texture, 8192 with SwiftShader. */
const MAX_SIZE = 1024;

type Info = Pick<tf.Tensor, 'shape'> | null | undefined;
interface Packing {
  packTensor(input: tf.TensorInfo): tf.TensorInfo;
  unpackTensor(input: tf.TensorInfo): tf.TensorInfo;
}

/** Sets the flag before each operation, and before the textures of its operands are brought into another form. */
export function shareShaders(): void {
  const engine = tf.engine();
  const backend = tf.backend() as unknown as Packing;
  const runKernel = engine.runKernel.bind(engine);
  engine.runKernel = (name, inputs, attributes) => {
    setShared((Object.values(inputs).flat() as readonly Info[]).every(canShare));
    return runKernel(name, inputs, attributes);
  };
  for (const name of ['packTensor', 'unpackTensor'] as const) {
    const change = backend[name].bind(backend);
    backend[name] = input => {
      const wasShared = tf.env().getBool(FLAG);
      setShared(wasShared && canShare(input));
      const changed = change(input);
      setShared(wasShared);
      return changed;
    };
  }
}

const FLAG = 'WEBGL_USE_SHAPES_UNIFORMS';
const setShared = (isShared: boolean) => tf.env().set(FLAG, isShared);

function canShare(operand: Info): boolean {
  const shape = operand?.shape ?? [];
  return tf.util.sizeFromShape(shape) <= MAX_SIZE && (shape.length < 3 || !shape.includes(1));
}
