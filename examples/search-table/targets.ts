// What the surrogate is fitted to: not the accuracies themselves, of which many lie far below the few that matter.
// SPDX-License-Identifier: Apache-2.0

/**
 * The ranks of the values as scores with mean 0 and deviation 1: the value above a share p of the others scores -log(1 - p), so that the
 * best stand far apart and the bad near each other, whatever the unit. Equal values share a score. Of these, the accuracies, the accuracies cut
 * off from below, and the logarithm of the error, these gave the least regret with the seeds 1,000,000 to 1,000,059.
 *
 * @param values At least one.
 */
export function targetsOf(values: ArrayLike<number>): Float64Array {
  const count = values.length;
  const order = Uint32Array.from({length: count}, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const scores = new Float64Array(count);
  for (let start = 0, end = 0; start < count; start = end) {
    while (end < count && values[order[end]!] === values[order[start]!]) ++end;
    const score = -Math.log(1 - (start + end) / (2 * count));
    for (let i = start; i < end; ++i) scores[order[i]!] = score;
  }
  return standardised(scores);
}

/** Less the mean, over the deviation; zeros where all are equal. */
function standardised(scores: Float64Array): Float64Array {
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const deviation = Math.sqrt(scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length);
  return scores.map(score => (deviation === 0 ? 0 : (score - mean) / deviation));
}
