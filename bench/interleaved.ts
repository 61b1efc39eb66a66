// Times variants in turn, so that a machine that slows down slows all of them, and compares them round by round.
// SPDX-License-Identifier: Apache-2.0

/** A middle value: half of the others are no larger. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** The median, over rounds, of one variant's time over another's in the same round. */
export function medianRatio(over: readonly number[], under: readonly number[]): number {
  return median(over.map((time, round) => time / under[round]!));
}

/** Milliseconds that the process has been on a core: a clock that other programs do not lengthen. */
export function processTime(): number {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * Times each variant once a round, in turn.
 *
 * @param variants By name. They must not return before their work is done.
 * @param rounds How many rounds count; a fifth as many run before, to warm up.
 * @param calls Calls of a variant that are timed as one.
 * @param before Called before a variant's turn, out of its time.
 * @param clock Milliseconds since some moment. Default: the time of day.
 * @returns The milliseconds of a call in each round, by name.
 */
export function interleaved<Name extends string>(
  variants: Record<Name, () => void>,
  rounds: number,
  calls: number,
  before: (name: Name) => void = () => {},
  clock: () => number = () => performance.now(),
): Record<Name, number[]> {
  const names = Object.keys(variants) as Name[];
  const times = Object.fromEntries(names.map(name => [name, []])) as unknown as Record<Name, number[]>;
  for (let round = -Math.ceil(rounds / 5); round < rounds; ++round) {
    for (const name of names) {
      before(name);
      const start = clock();
      for (let call = 0; call < calls; ++call) variants[name]();
      const elapsed = (clock() - start) / calls;
      if (round >= 0) times[name].push(elapsed);
    }
  }
  return times;
}
