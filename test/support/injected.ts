// A source of noise that returns what a test puts in.
import type {RandomSource} from 'tfjs-moe/estimators';

/** Returns the given uniforms in order, and fails when asked for more than there are. */
export function injected(uniforms: readonly number[]): RandomSource {
  let used = 0;
  const source: RandomSource = {
    uniform(count) {
      if (used + count > uniforms.length) throw new Error(`injected: asked for ${used + count} of ${uniforms.length}`);
      used += count;
      return Float64Array.from(uniforms.slice(used - count, used));
    },
    split: () => source,
  };
  return source;
}

/** Uniforms that become these standard exponential variables: E = -log u. */
export const fromExponentials = (values: readonly number[]) => injected(values.map(e => Math.exp(-e)));

/** Uniforms that become these standard Gumbel variables: G = -log(-log u). */
export const fromGumbels = (values: readonly number[]) => injected(values.map(g => Math.exp(-Math.exp(-g))));
