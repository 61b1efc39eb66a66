// RAdam. Liu, Jiang, He, Chen, Liu, Gao and Han 2020, "On the Variance of the Adaptive Learning Rate and Beyond",
// https://arxiv.org/abs/1908.03265, Algorithm 2; in the two points where programs differ as torch.optim.RAdam: the
// adaptive step begins at rho > 5, not 4, and epsilon is added to the root of the uncorrected second moment.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {checkPositive, checkRange, show, ValueError} from '../errors.js';
import {bindMoments} from './radam-restore.js';
import {type Moments, newMoments, stepRAdam} from './radam-step.js';

type Gradients = Parameters<tf.Optimizer['applyGradients']>[0];
type NamedTensors = Awaited<ReturnType<tf.Optimizer['getWeights']>>;

/** Options of `radam`. */
export interface RAdamOptions {
  /** Decay of the first moment, from 0 to below 1. Default 0.9. */
  beta1?: number;
  /** Decay of the second moment, from 0 to below 1. Default 0.999. */
  beta2?: number;
  /** Added to the root of the second moment, in the unit of the gradient, > 0. Default 1e-8, on every backend. */
  epsilon?: number;
}

function checkDecay(field: string, value: unknown): asserts value is number {
  if (typeof value !== 'number' || !(value >= 0 && value < 1)) {
    throw new ValueError(`radam: ${field} must be a number of at least 0 and below 1, but got ${show(value)}.`);
  }
}

/**
 * RAdam, Adam with a rectified learning rate: it needs no warm-up. Made by `radam`.
 *
 * With g the gradient, t the number of gradients so far, rho_inf = 2 / (1 - beta2) - 1 and
 * rho = rho_inf - 2 t beta2^t / (1 - beta2^t):
 * m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, and
 * x = x - learningRate m / (1 - beta1^t) * (rho > 5 ? r sqrt(1 - beta2^t) / (sqrt(v) + epsilon) : 1)
 * with r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho)).
 * With the default beta2 the first five steps are those of momentum.
 *
 * Each variable counts its own steps and is known by its name: one that gets no gradient in a step keeps its moments,
 * and so do the others. `getWeights` gives tensors that the optimizer owns and replaces at the next call.
 */
export class RAdamOptimizer extends tf.Optimizer {
  /** The name under which a saved model refers to the class. */
  static readonly className = 'RAdam';
  /** Size of a step, at least 0. May be changed between steps. */
  learningRate: number;
  /** Decay of the first moment. */
  readonly beta1: number;
  /** Decay of the second moment. */
  readonly beta2: number;
  /** Added to the root of the second moment. */
  readonly epsilon: number;
  #moments = new Map<string, Moments>();
  /** The moments come from setWeights and stand under the names that their variables had when saved. */
  #areRestored = false;
  /** The counters that getWeights gave last. */
  #counters: tf.Tensor[] = [];

  /**
   * The same as `radam`.
   *
   * @param learningRate Size of a step.
   * @param options Decays and epsilon.
   */
  constructor(learningRate = 1e-3, {beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8}: RAdamOptions = {}) {
    super();
    checkRange('radam', 'learningRate', learningRate, 0);
    checkDecay('beta1', beta1);
    checkDecay('beta2', beta2);
    checkPositive('radam', 'epsilon', epsilon);
    this.learningRate = learningRate;
    this.beta1 = beta1;
    this.beta2 = beta2;
    this.epsilon = epsilon;
  }

  /**
   * Makes one step.
   *
   * @param variableGradients The gradients by variable name; a missing one leaves its variable alone.
   * @throws ValueError for a name that no variable has, for a learning rate that has become invalid, and if moments
   *   that were restored do not belong to these variables.
   */
  override applyGradients(variableGradients: Gradients): void {
    checkRange('radam', 'learningRate', this.learningRate, 0);
    const gradients = Array.isArray(variableGradients)
      ? variableGradients
      : Object.entries(variableGradients).map(([name, tensor]) => ({name, tensor}));
    const variables = gradients.map(({name}) => variableNamed(name));
    if (this.#areRestored && variables.length > 0) {
      this.#moments = bindMoments(this.#moments, variables);
      this.#areRestored = false;
    }
    gradients.forEach(({tensor}, i) => {
      const variable = variables[i]!;
      const moments = this.#momentsOf(variable);
      if (tensor) stepRAdam(variable, moments, tensor, this);
    });
    this.incrementIterations();
  }

  /** Frees the moments. The optimizer may be used again and then starts anew. */
  override dispose(): void {
    tf.dispose(this.#counters);
    this.#counters = [];
    for (const {first, second} of this.#moments.values()) tf.dispose([first, second]);
    this.#moments.clear();
    this.#areRestored = false;
  }

  /**
   * Everything that `setWeights` of another optimizer needs to go on with the same steps.
   *
   * @returns `iter`, `radam/steps` (int32, one count a variable), then `<variable>/m` and `<variable>/v`; owned by the
   *   optimizer.
   */
  override async getWeights(): Promise<NamedTensors> {
    tf.dispose(this.#counters);
    const entries = [...this.#moments];
    const iterations = tf.keep(tf.scalar(this.iterations, 'int32'));
    this.#counters = [iterations];
    if (entries.length === 0) return [{name: 'iter', tensor: iterations}];
    const steps = tf.keep(
      tf.tensor1d(
        entries.map(([, moments]) => moments.steps),
        'int32',
      ),
    );
    this.#counters.push(steps);
    return [
      {name: 'iter', tensor: iterations},
      {name: 'radam/steps', tensor: steps},
      ...entries.map(([name, moments]) => ({name: `${name}/m`, tensor: moments.first})),
      ...entries.map(([name, moments]) => ({name: `${name}/v`, tensor: moments.second})),
    ];
  }

  /**
   * Takes over what `getWeights` gave; the tensors are copied and stay the caller's.
   *
   * The variables are matched at the next step: by name, or, where a loaded model has got other names, by their order,
   * in which case the step must be given all of them (`fit` and `minimize` with a list of variables do).
   *
   * @throws ValueError if the tensors do not come from an optimizer of this class.
   */
  override async setWeights(weightValues: NamedTensors): Promise<void> {
    const count = Math.max(0, (weightValues.length - 2) / 2);
    const firsts = weightValues.slice(2, 2 + count);
    const seconds = weightValues.slice(2 + count);
    const belong =
      weightValues[0]?.name === 'iter' &&
      (weightValues.length === 1 || weightValues[1]!.name === 'radam/steps') &&
      firsts.length === seconds.length &&
      firsts.every(({name}, i) => name.endsWith('/m') && seconds[i]!.name === name.replace(/m$/, 'v'));
    if (!belong) {
      const names = weightValues.map(({name}) => name);
      throw new ValueError(`radam: the weights to restore must come from getWeights of radam, but got ${show(names)}.`);
    }
    const steps = count > 0 ? await weightValues[1]!.tensor.data() : [];
    await this.extractIterations(weightValues);
    const restored = firsts.map(({name, tensor}, i): [string, Moments] => [
      name.slice(0, -'/m'.length),
      {first: tf.variable(tensor, false), second: tf.variable(seconds[i]!.tensor, false), steps: steps[i]!},
    ]);
    this.dispose(); // only now: the tensors may be this optimizer's own
    this.#moments = new Map(restored);
    this.#areRestored = count > 0;
  }

  /** The constructor's arguments, with the learning rate of now. */
  override getConfig(): tf.serialization.ConfigDict {
    return {learningRate: this.learningRate, beta1: this.beta1, beta2: this.beta2, epsilon: this.epsilon};
  }

  /**
   * Makes an optimizer from what `getConfig` gave.
   *
   * @param cls This class.
   * @param config The arguments.
   */
  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    const {learningRate, beta1, beta2, epsilon} = config;
    return new cls(learningRate, {beta1, beta2, epsilon});
  }

  #momentsOf(variable: tf.Variable): Moments {
    const known = this.#moments.get(variable.name);
    if (known) return known;
    const moments = newMoments(variable);
    this.#moments.set(variable.name, moments);
    return moments;
  }
}

function variableNamed(name: string): tf.Variable {
  const variable = tf.engine().registeredVariables[name];
  if (!variable) throw new ValueError(`radam: no variable has the name "${name}".`);
  return variable;
}

/**
 * RAdam as an optimizer for `model.compile` and for loops of one's own.
 *
 * @param learningRate Size of a step, at least 0. Default 1e-3. The optimizer's field of that name may be changed
 *   between steps.
 * @param options.beta1 Decay of the first moment, from 0 to below 1. Default 0.9.
 * @param options.beta2 Decay of the second moment, from 0 to below 1. Default 0.999.
 * @param options.epsilon Added to the root of the second moment, > 0. Default 1e-8.
 * @returns The optimizer; `dispose` frees its moments.
 * @throws ValueError if an argument is out of range.
 * @see https://arxiv.org/abs/1908.03265
 * @example
 * model.compile({optimizer: radam(1e-3), loss: 'meanSquaredError'});
 */
export function radam(learningRate = 1e-3, options: RAdamOptions = {}): RAdamOptimizer {
  return new RAdamOptimizer(learningRate, options);
}

tf.serialization.registerClass(RAdamOptimizer);
