// Which load-balancing loss a routing layer adds: its convention, the tokens that it balances together, the running counts; and the load loss
// of a router with noise of its own. The laws of the losses themselves are in test/router.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type {Estimator} from 'tfjs-moe/estimators';
import {type DiscreteRouterArgs, discreteRouter, type GumbelMoE, type GumbelMoEArgs, gumbelMoE} from 'tfjs-moe/layers';
import {type LoadBalancingOptions, loadBalancingLoss, loadLoss} from 'tfjs-moe/router';
import {expect, test} from 'vitest';
import {noGradient} from '../../src/ops/no-gradient.js';
import {topKMask} from '../../src/ops/top-k-mask.js';
import {type NoisyRouting, noisyTopKRouting} from '../../src/router/noisy-top-k-routing.js';
import type {Router} from '../../src/router/types.js';
import {eachBackend} from '../support/each-backend.js';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';
import {applied, modelOf, reload} from '../support/model.js';

/** float32 sums of some tens of terms of magnitude one. */
const ROUNDING = 4e-6;
const E = 4;
const D = 3;

/** Draws nothing: the largest probability, with the gradient of the probabilities. */
const largest: Estimator = logits => {
  const probs = tf.softmax(logits);
  const sample = noGradient(() =>
    topKMask(logits as tf.Tensor2D, 1, () => {
      throw new Error('unreachable');
    }),
  );
  return {sample, probs};
};

type Options = Pick<GumbelMoEArgs, 'loadBalancingConvention' | 'loadBalancingScope' | 'loadBalancingDecay'>;
// The name, too, decides the initial weights.
const common = {numExperts: E, topK: 2, loadBalancingWeight: 1, seed: 1, name: 'one'};
const LAYERS: Record<string, (options: Options) => tfl.layers.Layer> = {
  DiscreteRouter: options => discreteRouter({...common, estimator: largest, ...options}),
  'dense GumbelMoE': options => gumbelMoE({...common, hiddenUnits: 2, estimator: largest, ...options}),
  'sparse GumbelMoE': options => gumbelMoE({...common, hiddenUnits: 2, compute: 'sparse', router: 'topK', ...options}),
};

const variableOf = (weight: tfl.LayerVariable) => (weight as unknown as {val: tf.Variable}).val;
const kernelOf = (layer: tfl.layers.Layer) => variableOf(layer.trainableWeights[0]!); // of the router
const countsOf = (layer: tfl.layers.Layer) =>
  layer.weights.find(({originalName}) => originalName.endsWith('/running_counts'));
const input = (shape: number[], seed = 1) => tf.tensor(numbers(seed, tf.util.sizeFromShape(shape)), shape);

/** The losses that training calls add in one step, and the gradient of their sum for the router's kernel. */
function lossOf(layer: tfl.layers.Layer, xs: tf.Tensor[], kwargs: object = {}): {value: number; gradient: number[]} {
  if (!layer.built) layer.apply(xs[0]!);
  const {value, grads} = tf.variableGrads(() => {
    for (const x of xs) layer.apply(x, {training: true, ...kwargs});
    return tf.addN(layer.calculateLosses()) as tf.Scalar;
  }, [kernelOf(layer)]);
  return {value: list(value)[0]!, gradient: list(Object.values(grads)[0]!)};
}

/** The k-hot choice of the layer, which is that of its kernel's largest logits. */
function choiceOf(layer: tfl.layers.Layer, x: tf.Tensor): tf.Tensor {
  const logits = tf.matMul(tf.reshape(x, [-1, D]), kernelOf(layer) as unknown as tf.Tensor2D);
  const chosen = topKMask(logits as tf.Tensor2D, 2, () => {
    throw new Error('unreachable');
  });
  return tf.reshape(chosen, [...x.shape.slice(0, -1), E]);
}

/** The function's loss of the layer's probabilities and choices, and its gradient. */
function expectedLoss(
  layer: tfl.layers.Layer,
  x: tf.Tensor,
  options: LoadBalancingOptions,
): {value: number; gradient: number[]} {
  const choice = choiceOf(layer, x);
  const {value, grads} = tf.variableGrads(() => {
    const logits = tf.matMul(tf.reshape(x, [-1, D]), kernelOf(layer) as unknown as tf.Tensor2D);
    return loadBalancingLoss(tf.softmax(tf.reshape(logits, choice.shape)), choice, options);
  }, [kernelOf(layer)]);
  return {value: list(value)[0]!, gradient: list(Object.values(grads)[0]!)};
}

function expectSame(actual: ReturnType<typeof lossOf>, expected: ReturnType<typeof lossOf>): void {
  expectClose([actual.value, ...actual.gradient], [expected.value, ...expected.gradient], ROUNDING);
}

for (const [kind, make] of Object.entries(LAYERS)) {
  eachBackend(`the load-balancing loss of ${kind}`, () => {
    test('is that of the function for each convention, over the batch and over sequences', () => {
      const x = input([3, 5, D]);
      const seen = new Set<string>();
      for (const convention of ['meanK', 'sumK', 'gshardTop1'] as const) {
        for (const scope of ['batch', 'sequence'] as const) {
          const layer = make({loadBalancingConvention: convention, loadBalancingScope: scope});
          const actual = lossOf(layer, [x]);
          expectSame(actual, expectedLoss(layer, x, {convention, scope}));
          seen.add(actual.value.toFixed(4));
        }
      }
      expect(seen.size).toBe(6); // no two of them agree on these numbers
      const layer = make({});
      expectSame(lossOf(layer, [x]), expectedLoss(layer, x, {}));
    });

    test('over sequences is the mean of the losses of each, whatever the axes before them and the padding behind', () => {
      const lengths = [5, 2, 4, 0];
      const x = input([2, 2, 5, D]);
      const mask = tf.tensor(
        lengths.flatMap(length => [0, 1, 2, 3, 4].map(t => (t < length ? 1 : 0))),
        [2, 2, 5],
      );
      const isReal = tf.cast(tf.tile(tf.expandDims(mask, 3), [1, 1, 1, D]), 'bool');
      const layer = make({loadBalancingScope: 'sequence'});
      layer.apply(x);
      const sequences = tf.split(tf.reshape(x, [4, 5, D]), 4);
      const real = sequences.slice(0, 3).map((sequence, i) => tf.slice(sequence, [0, 0, 0], [1, lengths[i]!, D]));
      const each = real.map(sequence => expectedLoss(layer, sequence, {}).value);
      const mean = each.reduce((a, b) => a + b, 0) / 3;
      for (const padding of [0, 7, Number.NaN]) {
        const padded = tf.where(isReal, x, tf.fill(x.shape, padding));
        expectClose([lossOf(layer, [padded], {mask}).value], [mean], ROUNDING);
      }
    });

    test('with running counts takes the shares from the decayed counts of all training calls so far', () => {
      const layer = make({loadBalancingScope: 'running', loadBalancingDecay: 0.75});
      const counts = new Array<number>(E).fill(0);
      for (const seed of [1, 2, 3]) {
        const x = input([4, 2, D], seed);
        layer.apply(x); // inference counts nothing
        const now = list(tf.sum(tf.reshape(choiceOf(layer, x), [8, E]), 0));
        now.forEach((count, e) => {
          counts[e] = 0.75 * counts[e]! + count;
        });
        const actual = lossOf(layer, [x]);
        expectSame(actual, expectedLoss(layer, x, {counts: tf.tensor1d(counts)}));
        expectClose(countsOf(layer)!.read(), counts, ROUNDING);
        // Alone, the batch has another loss, but for the first.
        const alone = expectedLoss(layer, x, {}).value;
        expect(Math.abs(actual.value - alone) > 1e-3).toBe(seed !== 1);
      }
    });

    test('with running counts counts each use in a step, no padding, and with decay 0 the call at hand alone', () => {
      const x = input([6, D]);
      const mask = tf.tensor1d([1, 1, 0, 1, 1, 0]);
      const real = tf.concat([tf.slice(x, [0, 0], [2, D]), tf.slice(x, [3, 0], [2, D])]);
      const [masked, plain] = [0, 1].map(() => make({loadBalancingScope: 'running'}));
      const twice = lossOf(masked!, [x, tf.neg(x)], {mask});
      expectSame(twice, lossOf(plain!, [real, tf.neg(real)]));
      expect(list(countsOf(masked!)!.read())).toEqual(list(countsOf(plain!)!.read()));
      // 8 choices of the first use, decayed by the default of 0.9, and 8 of the second.
      expectClose(tf.sum(countsOf(masked!)!.read()), [0.9 * 8 + 8], ROUNDING);
      const forgetful = make({loadBalancingScope: 'running', loadBalancingDecay: 0});
      for (const seed of [4, 5]) {
        const y = input([6, D], seed);
        expectSame(lossOf(forgetful, [y]), expectedLoss(forgetful, y, {}));
      }
    });

    test('of a layer used twice in a step is the sum over both uses, by sequence', () => {
      const [x, y] = [input([2, 5, D]), input([3, 4, D], 2)];
      const layer = make({loadBalancingScope: 'sequence'});
      const {value} = lossOf(layer, [x, y]);
      const each = [x, y].map(batch => expectedLoss(layer, batch, {scope: 'sequence'}).value);
      expectClose([value], [each[0]! + each[1]!], ROUNDING);
    });

    test('over sequences refuses an input without them in training, and takes it in inference', () => {
      const layer = make({loadBalancingScope: 'sequence'});
      const x = input([6, D]);
      expect((layer.apply(x) as tf.Tensor).shape[0]).toBe(6);
      expect(() => lossOf(layer, [x])).toThrow(
        'loadBalancingScope "sequence" needs an input of shape [batch, ..., tokens, features], but got one of rank 2.',
      );
      const unbalanced = discreteRouter({
        numExperts: E,
        loadBalancingScope: 'sequence',
        loadBalancingWeight: 0,
        entropyWeight: 1,
      });
      expect(Number.isFinite(lossOf(unbalanced, [x]).value)).toBe(true);
    });
  });
}

eachBackend('the balance options of a routing layer', () => {
  for (const compute of ['dense', 'sparse'] as const) {
    const make = (args: Partial<GumbelMoEArgs>) =>
      gumbelMoE({
        numExperts: E,
        topK: 2,
        hiddenUnits: 4,
        units: 2,
        seed: 3,
        compute,
        ...(compute === 'sparse' && {router: 'topK'}),
        loadBalancingWeight: 0.1,
        ...args,
      });

    test.skipIf(LEAVES_LONG)(
      `running counts are saved, and training goes on exactly, with compute ${compute}${WHY_LONG}`,
      async () => {
        const moe = make({loadBalancingScope: 'running'});
        const model = modelOf([D], x => applied(moe, x));
        const [x, y] = [input([12, D]), input([12, 2], 2)];
        const compiled = (one: tfl.LayersModel) => {
          one.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
          return one;
        };
        const train = async (one: tfl.LayersModel) =>
          (await one.fit(x, y, {epochs: 3, batchSize: 4, shuffle: false, verbose: 0})).history.loss;
        await train(compiled(model));
        const copy = compiled(await reload(model));
        const saved = list(countsOf(copy.layers[1]!)!.read());
        expect(saved).toEqual(list(countsOf(moe)!.read()));
        expect(Math.max(...saved)).toBeGreaterThan(4);
        const numTensors = tf.memory().numTensors;
        const losses = await train(model);
        expect(tf.memory().numTensors).toBe(numTensors);
        expect(await train(copy)).toEqual(losses);
        expect(copy.getWeights().map(list)).toEqual(model.getWeights().map(list));
        // Without them it is not: the counts matter.
        countsOf(copy.layers[1]!)!.write(tf.zeros([E]));
        expect(await train(copy)).not.toEqual(await train(model));
      },
    );

    test(`a configuration goes round with compute ${compute}`, () => {
      for (const options of [
        {loadBalancingConvention: 'sumK', loadBalancingScope: 'sequence'},
        {loadBalancingScope: 'running', loadBalancingDecay: 0.5},
        {loadBalancingConvention: 'gshardTop1'},
      ] as const) {
        const moe = make(options);
        const config = JSON.parse(JSON.stringify(moe.getConfig()));
        expect(config).toMatchObject({
          loadBalancingConvention: 'meanK',
          loadBalancingScope: 'batch',
          loadBalancingDecay: 0.9,
          ...options,
        });
        const {experts: _none, ...rest} = config;
        expect(JSON.parse(JSON.stringify(gumbelMoE(rest as GumbelMoEArgs).getConfig()))).toEqual(config);
      }
    });

    test(`running counts go with TimeDistributed, which leaves no sequences, with compute ${compute}`, async () => {
      const x = input([4, 5, D]);
      const y = input([4, 5, 2], 2);
      const train = async (moe: GumbelMoE) => {
        const model = modelOf([5, D], symbolic => applied(tfl.layers.timeDistributed({layer: moe}), symbolic));
        model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
        await model.fit(x, y, {epochs: 1, batchSize: 2, verbose: 0});
      };
      const moe = make({loadBalancingScope: 'running', loadBalancingDecay: 1});
      await train(moe);
      expectClose(tf.sum(countsOf(moe)!.read()), [4 * 5 * 2], ROUNDING);
      await expect(train(make({loadBalancingScope: 'sequence'}))).rejects.toThrow(
        'loadBalancingScope "sequence" needs',
      );
    });

    test(`the loss over sequences is injected, too, with compute ${compute}`, () => {
      const x = input([3, 5, D]);
      const estimator = compute === 'dense' ? {estimator: largest} : {};
      const args = {loadBalancingScope: 'sequence', loadBalancingWeight: 1, name: 'same', ...estimator} as const;
      const [added, injected] = [make(args), make({...args, auxLoss: 'inject'})];
      const {gradient} = lossOf(added, [x]);
      injected.apply(x);
      const {grads} = tf.variableGrads(
        () => tf.mul(0, tf.sum(injected.apply(x, {training: true}) as tf.Tensor)) as tf.Scalar,
        [kernelOf(injected)],
      );
      expectClose(Object.values(grads)[0]!, gradient, ROUNDING);
    });
  }

  test('running counts are a weight of that scope alone, and not trained', () => {
    for (const make of Object.values(LAYERS)) {
      const [running, batch] = (['running', 'batch'] as const).map(loadBalancingScope => make({loadBalancingScope}));
      running!.apply(input([2, D]));
      batch!.apply(input([2, D]));
      expect(countsOf(batch!)).toBeUndefined();
      expect(running!.nonTrainableWeights.filter(weight => weight === countsOf(running!)).length).toBe(1);
      expect(running!.weights.length).toBe(batch!.weights.length + 1);
      expect(running!.trainableWeights.length).toBe(batch!.trainableWeights.length);
    }
  });

  test('bad options are refused in words', () => {
    const make = (args: object) => () => discreteRouter({numExperts: 2, ...args} as DiscreteRouterArgs);
    expect(make({loadBalancingConvention: 'mean'})).toThrow(
      'DiscreteRouter: loadBalancingConvention must be one of "meanK", "sumK", "gshardTop1", but got "mean".',
    );
    expect(make({loadBalancingScope: 'global'})).toThrow(
      'DiscreteRouter: loadBalancingScope must be one of "batch", "sequence", "running", but got "global".',
    );
    expect(make({loadBalancingDecay: 1.5})).toThrow('DiscreteRouter: loadBalancingDecay must be');
    expect(make({loadBalancingScope: 'running', loadBalancingConvention: 'sumK'})).toThrow(
      'DiscreteRouter: loadBalancingScope "running" goes with loadBalancingConvention "meanK" alone, but got "sumK".',
    );
    expect(() =>
      gumbelMoE({numExperts: 2, hiddenUnits: 2, compute: 'sparse', loadBalancingScope: 'sequences' as 'sequence'}),
    ).toThrow('GumbelMoE: loadBalancingScope must be one of');
  });
});

eachBackend('the load loss of a sparse mixture', () => {
  const make = (router: GumbelMoEArgs['router']) =>
    gumbelMoE({
      ...common,
      hiddenUnits: 2,
      compute: 'sparse',
      router: router!,
      loadBalancingWeight: 0,
      loadWeight: 1,
    });
  const x = () => input([9, D]);

  /** Noisy top-k with options, and what the layer's last call gave and got. */
  function recorded(options: object, ofLogits?: (logits: tf.Tensor2D) => tf.Tensor2D) {
    const calls: {logits: tf.Tensor2D; routing: NoisyRouting}[] = [];
    const route: Router = (logits, context) => {
      const routing = noisyTopKRouting(logits, {
        ...context,
        ...options,
        ...(ofLogits && {noiseLogits: ofLogits(logits)}),
      });
      const {noisyLogits, noiseStd} = routing;
      const kept = noisyLogits && {
        noisyLogits: tf.keep(tf.clone(noisyLogits)),
        noiseStd: typeof noiseStd === 'object' ? tf.keep(tf.clone(noiseStd)) : noiseStd!,
      };
      calls.push({logits: tf.keep(tf.clone(logits)), routing: {...routing, ...kept}});
      return routing;
    };
    return {route, last: () => calls[calls.length - 1]!};
  }

  test('is of the noisy logits that the router chose by, and of their deviation, fixed or of each logit', () => {
    const ofLogits = (logits: tf.Tensor2D) => tf.mul<tf.Tensor2D>(logits, 2);
    for (const [options, learned] of [
      [{}, undefined],
      [{noiseStd: 0.7}, undefined],
      [{}, ofLogits],
    ] as const) {
      const {route, last} = recorded(options, learned);
      const {value} = lossOf(make(route), [x()]);
      const {logits, routing} = last();
      const noiseStd = routing.noiseStd!;
      expectClose([value], list(loadLoss(logits, routing.noisyLogits!, {topK: 2, noiseStd})), ROUNDING);
    }
  });

  test('takes the named router for what it is, and trains its noise', () => {
    const {route, last} = recorded({}, logits => tf.zerosLike(logits));
    const [own, named] = [make(route), make('noisyTopK')];
    const expected = lossOf(own, [x()]);
    expectSame(lossOf(named, [x()]), expected); // its kernel of noise starts at zeros
    expectClose([last().routing.noiseStd].flatMap(std => list(std as tf.Tensor)).slice(0, 1), [0.703147], ROUNDING); // ln 2 + .01
    const noiseKernel = named.trainableWeights.find(({originalName}) => originalName.endsWith('/noise_kernel'))!;
    const {grads} = tf.variableGrads(() => {
      named.apply(x(), {training: true});
      return tf.addN(named.calculateLosses()) as tf.Scalar;
    }, [variableOf(noiseKernel)]);
    expect(Math.max(...list(Object.values(grads)[0]!).map(Math.abs))).toBeGreaterThan(1e-3);
  });

  test('does not look at padding', () => {
    const mask = tf.tensor1d([1, 1, 1, 0, 1, 1, 1, 0, 1]);
    const {route, last} = recorded({}, logits => tf.mul(logits, 2));
    const {value} = lossOf(make(route), [x()], {mask});
    const {logits, routing} = last();
    const rows = tf.tensor1d([0, 1, 2, 4, 5, 6, 8], 'int32');
    const real = (of: tf.Tensor) => tf.gather(of, rows);
    const noiseStd = real(routing.noiseStd as tf.Tensor);
    expectClose([value], list(loadLoss(real(logits), real(routing.noisyLogits!), {topK: 2, noiseStd})), ROUNDING);
  });

  test('refuses in words a router with noise of deviation 0', () => {
    expect(() => lossOf(make({name: 'noisyTopK', noiseStd: 0}), [x()])).toThrow(
      'GumbelMoE "one/router": loadLoss: noiseStd must be a positive finite number, but got 0.',
    );
  });
});
