// Times variants in turn, so that a machine that slows down slows all of them, and compares them round by round.
// SPDX-License-Identifier: Apache-2.0

/** What was measured of one variant. */
export interface Timing {
  /** Median time of a call, in milliseconds. */
  milliseconds: number;
  /** Median, over rounds, of this variant's time over the first variant's in the same round. */
  ratio: number;
}

/** A middle value: half of the others are no larger. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/**
 * Times each variant once a round, in turn.
 *
 * @param variants By name; the first is what the others are compared with. They must not return before their work is done.
 * @param rounds How many rounds count; a fifth as many run before, to warm up.
 * @param calls Calls of a variant that are timed as one.
 */
export function interleaved(
  variants: Record<string, () => void>,
  rounds: number,
  calls: number,
): Record<string, Timing> {
  const names = Object.keys(variants);
  const times = new Map(names.map(name => [name, [] as number[]]));
  for (let round = -Math.ceil(rounds / 5); round < rounds; ++round) {
    for (const name of names) {
      const start = performance.now();
      for (let call = 0; call < calls; ++call) variants[name]!();
      const elapsed = (performance.now() - start) / calls;
      if (round >= 0) times.get(name)!.push(elapsed);
    }
  }
  const base = times.get(names[0]!)!;
  return Object.fromEntries(
    names.map(name => {
      const own = times.get(name)!;
      return [name, {milliseconds: median(own), ratio: median(own.map((t, i) => t / base[i]!))}];
    }),
  );
}
