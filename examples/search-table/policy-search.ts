// Search by the score-function estimators: a distribution over the operations of each edge is trained on the accuracies of its own draws.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {getScoreEstimator, type Objective} from 'tfjs-moe/estimators';
import {createControlVariate} from './control-variate.js';
import {NUM_EDGES, NUM_OPERATIONS} from './problem.js';
import {bySeed, codesOf, inParts, type Search, type SearchTask, streamOf} from './search.js';

/** Those estimators of the family that can do with five categories. */
export type PolicyName = 'reinforce' | 'leaveOneOut' | 'relax';

/** An estimator and how it trains. */
export interface Policy {
  name: PolicyName;
  /** Hard draws a step, each of which is an evaluation. */
  numSamples: number;
  /** Of Adam. */
  learningRate: number;
}

/** How much of REINFORCE's baseline stays at a step. */
export const BASELINE_DECAY = 0.9;
/** Seeds at once; relax keeps a regression for each. */
const SEEDS_AT_ONCE = 125;

/** A search that begins with uniform distributions and looks up what they draw; a cell that is drawn again counts again. */
export function policySearch(policy: Policy): Search {
  return inParts(SEEDS_AT_ONCE, task => trainPolicies(policy, task));
}

async function trainPolicies(
  {name, numSamples, learningRate}: Policy,
  {problem: {signal}, seeds, evaluations, turn}: SearchTask,
): Promise<Uint16Array | undefined> {
  const estimate = getScoreEstimator(name);
  const random = bySeed(seeds.map(seed => streamOf(seed, 'draws')));
  const optimizer = tf.train.adam(learningRate);
  const logits = tf.tidy(() => tf.variable(tf.zeros([seeds.length, NUM_EDGES, NUM_OPERATIONS])));
  const losses = tf.tensor1d(Float32Array.from(signal, accuracy => -accuracy / 100));
  const reference = new Reference(seeds.length, name === 'reinforce');
  const control = name === 'relax' ? createControlVariate(seeds.length, evaluations) : undefined;
  const cells = new Uint16Array(seeds.length * evaluations);
  try {
    for (let done = 0; done < evaluations; done += numSamples) {
      if (!(await turn(done * seeds.length))) return undefined;
      const draws: tf.Tensor1D[] = [];
      const objective: Objective = (sample, kind) => {
        if (kind === 'relaxed') return control!.valuesAt(sample);
        const codes = tf.keep(codesOf(sample)) as tf.Tensor1D; // the caller's tidy would free it
        draws.push(codes);
        return reference.relative(tf.gather(losses, tf.cast(codes, 'int32')));
      };
      tf.tidy(() => {
        const {grads} = tf.variableGrads(() => {
          const {loss} = estimate(objective, logits, {numSamples, random});
          return tf.mul(seeds.length, loss) as tf.Scalar; // a sum: a seed's step does not depend on how many there are
        }, [logits]);
        optimizer.applyGradients([{name: logits.name, tensor: grads[logits.name]!}]);
        reference.update(draws.map(codes => tf.gather(losses, tf.cast(codes, 'int32'))));
      });
      for (const [k, codes] of draws.entries()) {
        const drawn = await codes.data();
        codes.dispose();
        if (done + k < evaluations)
          drawn.forEach((code, i) => {
            cells[i * evaluations + done + k] = code;
          });
      }
      control?.learn(cells, signal, done + 1);
    }
    return cells;
  } finally {
    tf.dispose([logits, losses]);
    reference.dispose();
    control?.dispose();
    optimizer.dispose();
  }
}

/**
 * What each seed's losses are compared with: its first loss, and for REINFORCE a running mean besides. The estimator's own state has one
 * baseline for the whole batch, through which the seeds would learn from each other.
 */
class Reference {
  readonly #hasBaseline: boolean;
  #first: tf.Tensor1D | undefined;
  #baseline: tf.Tensor1D;

  constructor(count: number, hasBaseline: boolean) {
    this.#hasBaseline = hasBaseline;
    this.#baseline = tf.zeros([count]);
  }

  /** The losses less the first ones and the baseline. */
  relative(losses: tf.Tensor1D): tf.Tensor1D {
    this.#first ??= tf.keep(tf.clone(losses));
    return tf.sub(tf.sub(losses, this.#first), this.#baseline);
  }

  /** Moves the baseline towards the losses of a step, after their use. */
  update(losses: tf.Tensor1D[]): void {
    if (!this.#hasBaseline) return;
    const former = this.#baseline;
    this.#baseline = tf.tidy(() => {
      const mean = tf.sub(tf.div(tf.addN(losses), losses.length), this.#first!);
      return tf.keep(tf.add(tf.mul(BASELINE_DECAY, former), tf.mul(1 - BASELINE_DECAY, mean))) as tf.Tensor1D;
    });
    former.dispose();
  }

  dispose(): void {
    tf.dispose([this.#baseline, ...(this.#first ? [this.#first] : [])]);
  }
}
