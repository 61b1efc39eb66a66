// The assignment of tokens to experts with the largest sum of scores under equal loads: an exact transport problem.
// SPDX-License-Identifier: Apache-2.0

/**
 * Assigns each token to one expert so that loads differ by one token at most and the sum of scores is as large as it can be.
 *
 * Tokens come in one by one, each along the shortest augmenting path (successive shortest paths; Ahuja, Magnanti and Orlin 1993, "Network
 * Flows", section 9.7). Since a path leads over experts alone, one step of it being the cheapest move of a token from one expert to another, a
 * token costs about E^2 steps and a rescan of the experts that it changes: T (E^2 + T) in all.
 *
 * Scores are rounded to whole multiples of a power of two such that every sum along a path is exact. For E = 16 that is 2^-47 of the largest
 * score, so that float32 scores down to 2^-23 of the largest enter as they are.
 *
 * @param scores Row-major [T, E], finite.
 * @param numTokens T.
 * @param numExperts E.
 * @returns The expert of each token, [T]. The first T mod E experts filled beyond floor(T / E) are those that cost the sum the least.
 */
export function balancedAssignment(scores: ArrayLike<number>, numTokens: number, numExperts: number): Int32Array {
  const s = wholeNumbers(scores, numExperts);
  const expertOf = new Int32Array(numTokens);
  const members = Array.from({length: numExperts}, (): number[] => []);
  const share = Math.floor(numTokens / numExperts);
  // What the sum loses by the cheapest move of a token from expert a to b, at [a E + b], and that token.
  const loss = new Float64Array(numExperts * numExperts).fill(Number.POSITIVE_INFINITY);
  const mover = new Int32Array(numExperts * numExperts);
  const distance = new Float64Array(numExperts);
  const previous = new Int32Array(numExperts);

  const rescan = (from: number) => {
    const start = from * numExperts;
    loss.fill(Number.POSITIVE_INFINITY, start, start + numExperts);
    for (const t of members[from]!) {
      const row = t * numExperts;
      for (let to = 0; to < numExperts; ++to) {
        const lost = s[row + from]! - s[row + to]!;
        if (lost < loss[start + to]!) {
          loss[start + to] = lost;
          mover[start + to] = t;
        }
      }
    }
  };

  for (let token = 0; token < numTokens; ++token) {
    for (let e = 0; e < numExperts; ++e) distance[e] = -s[token * numExperts + e]!;
    previous.fill(-1);
    shortestPaths(loss, distance, previous);

    // All experts are filled to the floor of the mean load before any gets one more.
    const limit = token < share * numExperts ? share : share + 1;
    let end = -1;
    for (let e = 0; e < numExperts; ++e) {
      if (members[e]!.length < limit && (end < 0 || distance[e]! < distance[end]!)) end = e;
    }
    const changed: number[] = [];
    for (let e = end; e >= 0; e = previous[e]!) {
      const from = previous[e]!;
      const moved = from < 0 ? token : mover[from * numExperts + e]!;
      if (from >= 0) members[from]!.splice(members[from]!.indexOf(moved), 1);
      members[e]!.push(moved);
      expertOf[moved] = e;
      changed.push(e);
    }
    changed.forEach(rescan);
  }
  return expertOf;
}

/** Bellman and Ford's algorithm from given distances. There is no cycle of negative length, since the assignment so far is the best. */
function shortestPaths(length: Float64Array, distance: Float64Array, previous: Int32Array): void {
  const n = distance.length;
  for (let isSettled = false; !isSettled; ) {
    isSettled = true;
    for (let from = 0; from < n; ++from) {
      for (let to = 0; to < n; ++to) {
        const reached = distance[from]! + length[from * n + to]!;
        if (reached < distance[to]!) {
          distance[to] = reached;
          previous[to] = from;
          isSettled = false;
        }
      }
    }
  }
}

/**
 * Scores as whole numbers of at most 2^bits. A path's length is at most 2 E + 1 times that, and exact below 2^53: with rounding errors a cycle of
 * length zero could seem negative, and the search would not end.
 */
function wholeNumbers(scores: ArrayLike<number>, numExperts: number): Float64Array {
  const values = Float64Array.from(scores);
  const largest = values.reduce((most, score) => Math.max(most, Math.abs(score)), 0);
  if (largest === 0) return values;
  const bits = 52 - Math.ceil(Math.log2(numExperts + 1));
  const unit = 2 ** (Math.ceil(Math.log2(largest)) - bits);
  return values.map(score => Math.round(score / unit));
}
