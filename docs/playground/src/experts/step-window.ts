// What the last steps came to, from the figures of a few steps each; and since when an expert is dead.
// SPDX-License-Identifier: Apache-2.0
import type {RouterMetrics} from 'tfjs-moe';

/** How many steps are looked at together, at least. */
export const WINDOW_STEPS = 50;

/** An expert with a smaller share of the window's choices than this is called dead. */
export const DEAD_SHARE = 0.01;

/** The figures of a few steps. */
export interface Stretch {
  /** How many steps. */
  steps: number;
  /** Their mean loss of the task: cross-entropy in nats, or mean squared error. */
  loss: number;
  /** Their mean load-balancing loss, unweighted: 1 is balanced, the number of experts is collapse. */
  balanceLoss: number;
  metrics: RouterMetrics;
}

/** A summary of the last steps; before the first step its losses are NaN and its other figures 0. */
export interface WindowFigures extends Omit<Stretch, 'metrics'> {
  /** Share of all choices that went to each expert; sums to 1. */
  load: number[];
  /** Largest load over the even one, less 1. */
  maxViolation: number;
  /** Mean entropy of a token's probabilities, nats. */
  entropy: number;
  /** Mean probability of the chosen experts. */
  confidence: number;
  /** For each expert the step since which it is dead; null for those that are not. */
  deadSince: (number | null)[];
}

/** Joins the figures of stretches of steps. */
export class StepWindow {
  #stretches: Stretch[] = [];
  readonly #deadSince: (number | null)[];

  constructor(numExperts: number) {
    this.#deadSince = new Array(numExperts).fill(null);
  }

  /**
   * Takes in a stretch of steps, and lets go of those that are no longer needed to fill the window.
   *
   * @param lastStep The number of the last of its steps, with which it is said since when an expert is dead.
   */
  add(stretch: Stretch, lastStep: number): void {
    this.#stretches.push(stretch);
    while (this.#steps - this.#stretches[0]!.steps >= WINDOW_STEPS) this.#stretches.shift();
    const isFull = this.#steps >= WINDOW_STEPS;
    this.summary().load.forEach((share, expert) => {
      if (share >= DEAD_SHARE || !isFull) this.#deadSince[expert] = null;
      else this.#deadSince[expert] ??= lastStep;
    });
  }

  /** Means over the window. */
  summary(): WindowFigures {
    const load = this.#deadSince.map((_, expert) => this.#perToken(metrics => metrics.load[expert]!));
    return {
      steps: this.#steps,
      loss: this.#sum(({steps, loss}) => steps * loss) / this.#steps,
      balanceLoss: this.#sum(({steps, balanceLoss}) => steps * balanceLoss) / this.#steps,
      load,
      maxViolation: this.#steps === 0 ? 0 : Math.max(...load) * load.length - 1,
      entropy: this.#perToken(metrics => metrics.entropy),
      confidence: this.#perToken(metrics => metrics.routerConfidence),
      deadSince: [...this.#deadSince],
    };
  }

  get #steps(): number {
    return this.#sum(({steps}) => steps);
  }

  #sum(value: (stretch: Stretch) => number): number {
    return this.#stretches.reduce((sum, stretch) => sum + value(stretch), 0);
  }

  /** The mean of a figure of the metrics, each stretch counted by its tokens. */
  #perToken(value: (metrics: RouterMetrics) => number): number {
    const tokens = this.#sum(({metrics}) => metrics.tokens);
    return tokens === 0 ? 0 : this.#sum(({metrics}) => value(metrics) * metrics.tokens) / tokens;
  }
}
