// A saved model with weights of 8 bits, in the form that tfjs itself decodes when it loads a model.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';

/** Below so many values a weight stays as it is: biases, the temperature and the step are nothing to save on. */
const SMALL = 1000;
const LEVELS = 255;
/** The small weights: float32 and int32. */
const WIDE = 4;

/**
 * What `model.save` would write, with each large weight as bytes: value = min + byte * scale, and the error at most scale / 2.
 *
 * @throws Error for a small weight that does not take four bytes a value.
 */
export async function quantizedArtifacts(model: tfl.LayersModel): Promise<tf.io.ModelArtifacts> {
  const artifacts = await artifactsOf(model);
  const {weightSpecs = [], weightData} = artifacts;
  const bytes = tf.io.CompositeArrayBuffer.join(weightData);
  const parts: Uint8Array[] = [];
  let offset = 0;
  const specs = weightSpecs.map(spec => {
    if (spec.dtype !== 'float32' && spec.dtype !== 'int32') throw new Error(`${spec.name} is of ${spec.dtype}.`);
    const size = spec.shape.reduce((product, length) => product * length, 1);
    const own = bytes.slice(offset, offset + size * WIDE);
    offset += size * WIDE;
    if (spec.dtype === 'int32' || size < SMALL) {
      parts.push(new Uint8Array(own));
      return spec;
    }
    const {min, scale, codes} = quantize(new Float32Array(own));
    parts.push(codes);
    return {...spec, quantization: {min, scale, dtype: 'uint8' as const}};
  });
  return {...artifacts, weightSpecs: specs, weightData: new Uint8Array(Buffer.concat(parts)).buffer};
}

function quantize(values: Float32Array): {min: number; scale: number; codes: Uint8Array} {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [min, max] = [Math.min(min, value), Math.max(max, value)];
  const scale = max > min ? (max - min) / LEVELS : 1;
  return {min, scale, codes: Uint8Array.from(values, value => Math.round((value - min) / scale))};
}

async function artifactsOf(model: tfl.LayersModel): Promise<tf.io.ModelArtifacts> {
  let saved: tf.io.ModelArtifacts | undefined;
  const keep = tf.io.withSaveHandler(async artifacts => {
    saved = artifacts;
    return {modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts)};
  });
  await model.save(keep);
  return saved!;
}
