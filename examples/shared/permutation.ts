// A seeded shuffle: model.fit's own uses Math.random, so that a run that used it could not be repeated.
// SPDX-License-Identifier: Apache-2.0
import type {RandomSource} from 'tfjs-moe/estimators';

/** The numbers 0 to count - 1 in an order drawn from the stream, every order equally likely (Fisher and Yates). */
export function permutation(count: number, random: RandomSource): Uint32Array {
  const order = Uint32Array.from({length: count}, (_, i) => i);
  const uniforms = random.uniform(count);
  for (let last = count - 1; last > 0; --last) {
    const other = Math.floor(uniforms[last]! * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
