// Normal noise on the host.
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';

/** Standard normal numbers, by Box and Muller's method. */
export function normals(count: number, random: RandomSource): Float64Array {
  const uniforms = random.uniform(count + (count % 2));
  const values = new Float64Array(uniforms.length);
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniforms[i]!));
    const angle = 2 * Math.PI * uniforms[i + 1]!;
    values[i] = radius * Math.cos(angle);
    values[i + 1] = radius * Math.sin(angle);
  }
  return values.subarray(0, count);
}
