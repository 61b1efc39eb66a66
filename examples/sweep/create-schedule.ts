// The schedule that a sweep asks for: successive halving, or the plain order, which is here.
// SPDX-License-Identifier: Apache-2.0
import {createHalving} from './halving.js';
import type {Schedule} from './schedule.js';
import type {SweepSpec} from './spec.js';
import type {Setting, Trial} from './trials.js';

/** The schedule of a sweep. */
export function createSchedule(spec: SweepSpec, settings: readonly Setting[]): Schedule {
  return spec.halving
    ? createHalving(spec.halving, spec.goal, settings)
    : createList(settings.flatMap(({trials}) => trials));
}

/** Each trial once, in the order of the list. */
function createList(trials: readonly Trial[]): Schedule {
  const waiting = new Map(trials.map(trial => [trial.id, trial]));
  const open = new Set(waiting.keys());
  return {
    next() {
      const [trial] = waiting.values();
      if (trial === undefined) return undefined;
      waiting.delete(trial.id);
      return {trial, until: null};
    },
    settle({trial}) {
      waiting.delete(trial.id);
      open.delete(trial.id);
    },
    remember({trial}) {
      if (!waiting.delete(trial.id)) return;
      const others = [...waiting];
      waiting.clear();
      for (const [id, other] of [[trial.id, trial] as const, ...others]) waiting.set(id, other);
    },
    isComplete: () => open.size === 0,
    progress: () => ({ended: trials.length - open.size, total: trials.length}),
  };
}
