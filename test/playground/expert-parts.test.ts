// The parts of the lab of experts that need no tensor: its data, its window, its curves and its lines.
// SPDX-License-Identifier: Apache-2.0
import type {RouterMetrics} from 'tfjs-moe';
import {describe, expect, test} from 'vitest';
import {contour} from '../../docs/playground/src/experts/contour.js';
import {DATA_SETS, type DataSetName, sampleDataSet} from '../../docs/playground/src/experts/data-sets.js';
import {History} from '../../docs/playground/src/experts/history.js';
import {StepWindow} from '../../docs/playground/src/experts/step-window.js';

/** Digits after the point that float32 keeps. */
const ROUNDING = 5;
const NAMES = Object.keys(DATA_SETS) as DataSetName[];

describe('sampleDataSet', () => {
  const options = {count: 300, noise: 0, seed: 3, stream: 0};

  test.each(NAMES)('%s: the same seed gives the same points, another seed or stream others', name => {
    const sample = sampleDataSet(name, options);
    expect(sampleDataSet(name, options)).toEqual(sample);
    for (const change of [{seed: 4}, {stream: 1}]) {
      expect(sampleDataSet(name, {...options, ...change}).points).not.toEqual(sample.points);
    }
  });

  test.each(NAMES)('%s: points are within the unit square; targets are classes, or values of -1.5 to 1.5', name => {
    const {points, targets} = sampleDataSet(name, options);
    expect(points).toHaveLength(600);
    expect(Math.max(...points.map(Math.abs))).toBeLessThanOrEqual(1);
    if (DATA_SETS[name].kind === 'classes') expect(new Set(targets)).toEqual(new Set([0, 1]));
    else expect(Math.max(...targets.map(Math.abs))).toBeLessThanOrEqual(1.5);
  });

  test('without noise each moon is half a circle of radius 1 / 1.6', () => {
    const {points, targets} = sampleDataSet('moons', options);
    targets.forEach((target, i) => {
      // The centres in the picture: (0, 0) and (1, 0.5), moved by (-0.5, -0.25) and divided by 1.6.
      const [x, y] = target ? [0.5, 0.25] : [-0.5, -0.25];
      expect(Math.hypot(points[2 * i]! - x / 1.6, points[2 * i + 1]! - y / 1.6)).toBeCloseTo(1 / 1.6, ROUNDING);
    });
  });

  test('noise has the deviation that is asked for, on both coordinates', () => {
    const count = 4000;
    const clean = sampleDataSet('blobs', {...options, count});
    const noisy = sampleDataSet('blobs', {...options, count, noise: 0.1});
    for (const axis of [0, 1]) {
      const squares = Array.from(
        {length: count},
        (_, i) => (noisy.points[2 * i + axis]! - clean.points[2 * i + axis]!) ** 2,
      );
      // The mean square of n normals has the relative deviation sqrt(2 / n) = 0.022; five of them.
      const variance = squares.reduce((sum, square) => sum + square) / count;
      expect(Math.abs(variance / 0.01 - 1)).toBeLessThan(0.11);
    }
    expect(noisy.targets).toEqual(clean.targets);
  });

  test('noise of values is on the values, and moves no point', () => {
    const clean = sampleDataSet('planes', options);
    const noisy = sampleDataSet('planes', {...options, noise: 0.1});
    expect(noisy.points).toEqual(clean.points);
    expect(noisy.targets).not.toEqual(clean.targets);
  });
});

describe('StepWindow', () => {
  const stretch = (load: number[], steps = 10) => {
    const metrics: RouterMetrics = {
      ...{tokens: 100 * steps, load, entropy: 1, maxViolation: 0, deadExperts: 0, droppedFraction: 0},
      routerConfidence: load[0]!,
    };
    return {steps, loss: load[0]!, balanceLoss: 1, metrics};
  };

  test('figures are means over the last 50 steps, and nothing older', () => {
    const window = new StepWindow(2);
    window.add(stretch([1, 0]), 10);
    for (let i = 2; i <= 6; ++i) window.add(stretch([0.5, 0.5]), 10 * i);
    expect(window.summary()).toEqual({
      ...{steps: 50, loss: 0.5, balanceLoss: 1, load: [0.5, 0.5], maxViolation: 0, entropy: 1, confidence: 0.5},
      deadSince: [null, null],
    });
  });

  test('stretches of different lengths count by their steps', () => {
    const window = new StepWindow(2);
    window.add(stretch([1, 0], 10), 10);
    window.add(stretch([0.5, 0.5], 30), 40);
    // (10 * 1 + 30 * 0.5) / 40
    expect(window.summary().load).toEqual([0.625, 0.375]);
    expect(window.summary().loss).toBe(0.625);
    expect(window.summary().maxViolation).toBe(0.25); // 0.625 * 2 - 1
  });

  test('an expert is dead from the step at which its share of a full window falls below 1 %, until it is back', () => {
    const window = new StepWindow(2);
    const deadAfter = (load: number[], step: number) => {
      window.add(stretch(load, 25), step);
      return window.summary().deadSince;
    };
    expect(deadAfter([1, 0], 25)).toEqual([null, null]); // half a window
    expect(deadAfter([0.97, 0.03], 50)).toEqual([null, null]); // 1.5 %
    expect(deadAfter([1, 0], 75)).toEqual([null, null]); // 1.5 %
    expect(deadAfter([1, 0], 100)).toEqual([null, 100]);
    expect(deadAfter([0.985, 0.015], 125)).toEqual([null, 100]); // 0.75 %
    expect(deadAfter([0.99, 0.01], 150)).toEqual([null, null]); // 1.25 %
  });
});

describe('History', () => {
  test('it stays within its capacity, keeps the first and the last, and the order', () => {
    const history = new History(20);
    for (let step = 1; step <= 5000; ++step) history.add({step, loss: 1 / step, score: 0});
    const steps = history.moments.map(moment => moment.step);
    expect(steps.length).toBeLessThanOrEqual(20);
    expect(steps.length).toBeGreaterThan(8);
    expect([steps[0], steps.at(-1)]).toEqual([1, 5000]);
    expect([...steps].sort((a, b) => a - b)).toEqual(steps);
    // Spread evenly: no gap is wider than a quarter of the run.
    expect(Math.max(...steps.slice(1).map((step, i) => step - steps[i]!))).toBeLessThan(1250);
  });
});

describe('contour', () => {
  test('the line of a linear function is straight, at the right place', () => {
    // f = column + row / 2 - 2.3 is 0 where column = 2.3 - row / 2.
    const size = 6;
    const values = Array.from({length: size * size}, (_, i) => (i % size) + Math.floor(i / size) / 2);
    const segments = contour(values, size, 2.3);
    expect(segments.length).toBeGreaterThanOrEqual(5);
    for (const [x0, y0, x1, y1] of segments) {
      expect(x0).toBeCloseTo(2.3 - y0 / 2, ROUNDING);
      expect(x1).toBeCloseTo(2.3 - y1 / 2, ROUNDING);
    }
    const length = segments.reduce((sum, [x0, y0, x1, y1]) => sum + Math.hypot(x1 - x0, y1 - y0), 0);
    // From (2.3, 0) at the top to (0, 4.6) on the left.
    expect(length).toBeCloseTo(Math.hypot(2.3, 4.6), ROUNDING);
  });

  test('a function that does not take the value has no line', () => {
    expect(contour(new Array(16).fill(1), 4, 0)).toEqual([]);
  });
});
