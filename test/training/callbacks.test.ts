import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {discreteRouter, gumbelMoE, routerMetrics} from 'tfjs-moe/layers';
import {AnnealTemperature, exponentialSchedule, linearSchedule, RouterMonitor} from 'tfjs-moe/training';
import {expect, test} from 'vitest';
import {eachBackend} from '../support/each-backend.js';
import {applied, modelOf, reload, twoHalves} from '../support/model.js';

/** A temperature is kept in float32. */
const FLOAT32 = 1e-6;

function compiled(layer: tfl.layers.Layer): tfl.LayersModel {
  const model = modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(layer, input)));
  model.compile({optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError'});
  return model;
}

eachBackend('AnnealTemperature', () => {
  test('sets the temperature of the layer before each batch, by its own count of steps', async () => {
    const schedule = exponentialSchedule({from: 1, rate: 0.1, minimum: 0.2});
    const moe = gumbelMoE({numExperts: 3, hiddenUnits: 2});
    const model = compiled(moe);
    const {x, y} = twoHalves(40, 4);
    await model.fit(x, y, {epochs: 2, batchSize: 10, verbose: 0, callbacks: new AnnealTemperature(moe, schedule)});
    // Eight batches: the last was the one with count 7.
    expect(moe.step).toBe(8);
    expect(Math.abs(moe.temperature - schedule(7))).toBeLessThan(FLOAT32);
  });

  test('goes on with the schedule after saving and loading', async () => {
    const schedule = linearSchedule({from: 2, to: 1, steps: 10});
    const model = compiled(discreteRouter({numExperts: 3, temperature: 2}));
    const {x, y} = twoHalves(20, 4);
    const train = async (trained: tfl.LayersModel) => {
      const router = trained.layers[1] as ReturnType<typeof discreteRouter>;
      await trained.fit(x, y, {
        epochs: 2,
        batchSize: 10,
        verbose: 0,
        callbacks: new AnnealTemperature([router], schedule),
      });
      return router.temperature;
    };
    expect(Math.abs((await train(model)) - schedule(3))).toBeLessThan(FLOAT32);
    const copy = await reload(model);
    expect(Math.abs((copy.layers[1] as ReturnType<typeof discreteRouter>).temperature - schedule(3))).toBeLessThan(
      FLOAT32,
    );
    copy.compile({optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError'});
    expect(Math.abs((await train(copy)) - schedule(7))).toBeLessThan(FLOAT32);
  });

  test('by epoch, counts from the initial epoch of fit', async () => {
    const schedule = linearSchedule({from: 2, to: 1, steps: 10});
    const router = discreteRouter({numExperts: 3});
    const model = compiled(router);
    const {x, y} = twoHalves(20, 4);
    const callbacks = new AnnealTemperature(router, schedule, {per: 'epoch'});
    await model.fit(x, y, {initialEpoch: 3, epochs: 5, verbose: 0, callbacks});
    expect(Math.abs(router.temperature - schedule(4))).toBeLessThan(FLOAT32);
  });

  test('refuses an unknown step and a schedule that leaves the positive numbers', async () => {
    const router = discreteRouter({numExperts: 3});
    expect(() => new AnnealTemperature(router, () => 1, {per: 'step' as 'epoch'})).toThrow(
      'AnnealTemperature: per must be one of "batch", "epoch", but got "step".',
    );
    const model = compiled(router);
    const {x, y} = twoHalves(20, 4);
    const callbacks = new AnnealTemperature(router, () => 0);
    await expect(model.fit(x, y, {verbose: 0, callbacks})).rejects.toThrow(
      'DiscreteRouter: temperature must be a positive finite number, but got 0.',
    );
  });
});

eachBackend('RouterMonitor', () => {
  test('records each epoch by itself, in its history, in the logs of fit and for its caller', async () => {
    const moe = gumbelMoE({name: 'moe', numExperts: 3, hiddenUnits: 2});
    const router = discreteRouter({name: 'choice', numExperts: 2});
    const model = modelOf([4], input => applied(tfl.layers.dense({units: 1}), applied(router, applied(moe, input))));
    model.compile({optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError'});
    const {x, y} = twoHalves(40, 4);
    const told: number[] = [];
    const monitor = new RouterMonitor([moe, router], {onEpoch: epoch => told.push(epoch)});
    const before = tf.memory().numTensors;
    const {history} = await model.fit(x, y, {
      epochs: 3,
      batchSize: 10,
      verbose: 0,
      validationData: [x, y],
      callbacks: monitor,
    });
    expect(told).toEqual([0, 1, 2]);
    expect(monitor.history.length).toBe(3);
    for (const [epoch, {moe: ofMoe, choice}] of monitor.history.entries()) {
      expect([ofMoe!.tokens, choice!.tokens]).toEqual([40, 40]); // validation does not count
      expect(ofMoe!.load.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      const logged = ['entropy', 'maxViolation', 'deadExperts', 'droppedFraction', 'routerConfidence'] as const;
      for (const key of logged) {
        expect(history[`moe_${key}`]![epoch]).toBe(ofMoe![key]);
        expect(history[`choice_${key}`]![epoch]).toBe(choice![key]);
      }
    }
    expect(await routerMetrics(moe)).toEqual(monitor.history[2]!.moe);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('collapse on one of four experts shows as violation 3, three dead experts, full confidence and no entropy', async () => {
    const router = discreteRouter({numExperts: 4, useBias: true, loadBalancingWeight: 0});
    const model = compiled(router);
    router.trainableWeights[1]!.write(tf.tensor1d([100, 0, 0, 0]));
    const {x, y} = twoHalves(40, 4);
    const monitor = new RouterMonitor(router);
    await model.fit(x, y, {verbose: 0, callbacks: monitor});
    const {entropy, routerConfidence, ...rest} = monitor.history[0]![router.name]!;
    expect(rest).toEqual({
      tokens: 40,
      load: [1, 0, 0, 0],
      maxViolation: 3,
      deadExperts: 3,
      droppedFraction: 0,
    });
    expect(Math.abs(routerConfidence - 1)).toBeLessThan(1e-6);
    expect(entropy).toBeLessThan(1e-6);
  });
});
