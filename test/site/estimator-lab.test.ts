// The estimator lab does its work: the numbers in the page are those of the formulas, which the test computes for itself.
// SPDX-License-Identifier: Apache-2.0
import type {Browser, Page} from 'playwright-core';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test} from 'vitest';
import {findChromium, startChromium} from '../package/browser.js';
import {openPage, type WatchedPage} from './support/open-page.js';

/** The page writes gradients and logits with four digits. */
const WRITTEN = 1.5e-4;
/** What the lab starts with. */
const VALUES = [1.5, 1, -1.5];
const CENTRE = 0.25;

let browser: Browser;
let opened: WatchedPage;
let page: Page;
beforeAll(async () => {
  const path = findChromium();
  if (path === undefined)
    throw new Error('The tests of the site need Chromium, such as the package chromium of Debian.');
  browser = await startChromium(path);
});
afterAll(() => browser?.close());
beforeEach(async () => {
  opened = await openPage(browser, `${inject('playground')}#estimators`);
  page = opened.page;
  await page.waitForSelector('.handle');
});
afterEach(async () => {
  await opened.close();
  expect(opened.problems).toEqual([]);
});

const numbersOf = (text: string | null) =>
  (text ?? '').replaceAll('−', '-').replaceAll(',', '').trim().split(/\s+/).map(Number);

/** A figure of the panel, by its name. */
async function setting(label: string): Promise<number[]> {
  return numbersOf(await page.textContent(`.state .figure:has(dt:text-is("${label}")) dd`));
}

/** A figure of a method's row. */
async function figure(method: string, name: 'bias' | 'error' | 'variance' | 'cosine'): Promise<number> {
  return numbersOf(await page.textContent(`[data-method="${method}"] [data-figure="${name}"]`))[0]!;
}

async function gradient(method: string): Promise<number[]> {
  return numbersOf(await page.textContent(`[data-method="${method}"] [data-figure="gradient"]`));
}

/** Until every method has all its draws. */
async function finished(): Promise<void> {
  await page.waitForSelector('button:text-is("Draw again")', {timeout: 60_000});
}

/** Changes a setting and waits for the draws that it asks for. */
async function choose(change: () => Promise<unknown>): Promise<void> {
  await change();
  await finished();
}

const chooseLoss = (loss: string) => choose(() => page.selectOption('select', loss));
const pressOn = async (label: RegExp, ...keys: string[]) => {
  const slider = page.getByRole('slider', {name: label});
  for (const key of keys) await slider.press(key);
};

function softmax(logits: readonly number[]): number[] {
  const weights = logits.map(Math.exp);
  const total = weights.reduce((a, b) => a + b);
  return weights.map(weight => weight / total);
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const CORNERS = [0, 1, 2].map(k => [0, 1, 2].map(i => Number(i === k)));
const quadratic = (x: readonly number[]) =>
  dot(
    VALUES,
    x.map(value => (value - CENTRE) ** 2),
  );
const slope = (x: readonly number[]) => x.map((value, i) => 2 * VALUES[i]! * (value - CENTRE));

/** p_k (f(e_k) - E f). */
function exactGradient(p: readonly number[], f: (x: readonly number[]) => number): number[] {
  const losses = CORNERS.map(f);
  return p.map((share, k) => share * (losses[k]! - dot(p, losses)));
}

/** J(p) g = p * (g - <p, g>): the straight-through gradient at temperature 1, whatever was drawn, for the slope g at the draw. */
const straightThroughAt = (p: readonly number[], g: readonly number[]) =>
  p.map((share, i) => share * (g[i]! - dot(p, g)));

const expectClose = (actual: readonly number[], expected: readonly number[], tolerance: number) => {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of actual.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(tolerance);
};

describe('estimator lab', () => {
  test('arrow keys move the point, and the exact gradient is that of the point', async () => {
    const [before, gradientBefore] = [await setting('Logits'), await gradient('exact')];
    expectClose(gradientBefore, exactGradient(softmax(before), quadratic), WRITTEN);
    for (const key of ['ArrowLeft', 'ArrowLeft', 'ArrowUp', 'Shift+ArrowLeft']) await page.press('.handle', key);
    const [after, gradientAfter] = [await setting('Logits'), await gradient('exact')];
    expectClose(gradientAfter, exactGradient(softmax(after), quadratic), WRITTEN);
    expect(softmax(after)[0]).toBeGreaterThan(softmax(before)[0]! + 0.1); // A is on the left
    expect(Math.abs(gradientAfter[0]! - gradientBefore[0]!)).toBeGreaterThan(10 * WRITTEN);
  });

  test('the mouse drags the point to where it goes, also to the edge', async () => {
    const box = (await page.locator('.handle').boundingBox())!;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x - 30, y - 25, {steps: 4});
    const moved = (await page.locator('.handle').boundingBox())!;
    expectClose([moved.x - box.x, moved.y - box.y], [-30, -25], 1.5);
    await page.mouse.move(x, y + 400, {steps: 4});
    await page.mouse.up();
    const p = softmax(await setting('Logits'));
    expect(p[2]).toBeCloseTo(0.01, 4); // C is at the top, and no probability goes below a hundredth
    expectClose(await gradient('exact'), exactGradient(p, quadratic), WRITTEN);
  });

  test('a tap on the triangle takes the point there', async () => {
    const box = (await page.locator('.simplex').boundingBox())!;
    await page.mouse.click(box.x + 0.5 * box.width, box.y + 0.6 * box.height); // the middle of the triangle
    expectClose(softmax(await setting('Logits')), [1 / 3, 1 / 3, 1 / 3], 0.02);
  });

  test('quadratic: straight-through has the mean and the variance of its formula, and ReinMax no bias', async () => {
    await finished();
    const n = (await setting('Draws so far'))[0]!;
    const p = softmax(await setting('Logits'));
    const estimates = CORNERS.map(corner => straightThroughAt(p, slope(corner)));
    const mean = [0, 1, 2].map(i =>
      dot(
        p,
        estimates.map(estimate => estimate[i]!),
      ),
    );
    const squares = estimates.map(estimate => estimate.reduce((sum, value, i) => sum + (value - mean[i]!) ** 2, 0));
    const variance = dot(p, squares);
    const error = Math.sqrt(variance / n);
    expectClose(await gradient('straightThrough'), mean, 5 * error + WRITTEN);
    const errorOfVariance = Math.sqrt(
      (dot(
        p,
        squares.map(square => square ** 2),
      ) -
        variance ** 2) /
        n,
    );
    expect(Math.abs((await figure('straightThrough', 'variance')) - variance)).toBeLessThan(
      5 * errorOfVariance + WRITTEN,
    );
    expect(await figure('straightThrough', 'error')).toBeCloseTo(error, 3);
    const exact = exactGradient(p, quadratic);
    const bias = Math.hypot(...mean.map((value, i) => value - exact[i]!));
    expect(bias).toBeGreaterThan(0.2); // or the next line could not fail
    expect(Math.abs((await figure('straightThrough', 'bias')) - bias)).toBeLessThan(5 * error + WRITTEN);
    const cosine = dot(mean, exact) / Math.hypot(...mean) / Math.hypot(...exact);
    expect(Math.abs((await figure('straightThrough', 'cosine')) - cosine)).toBeLessThan(0.1);
    expect(await figure('reinmax', 'bias')).toBeLessThan(4 * (await figure('reinmax', 'error')));
    expect(await figure('reinmax', 'cosine')).toBeGreaterThan(0.99);
  });

  test('linear: straight-through and ReinMax have no bias at temperature 1, straight-through Gumbel-softmax has', async () => {
    await chooseLoss('linear');
    for (const method of ['straightThrough', 'reinmax']) {
      // Four standard errors; that of straight-through is 0 here, its gradient being the same at each draw.
      expect(await figure(method, 'bias')).toBeLessThan(4 * (await figure(method, 'error')) + 1e-6);
    }
    const name = 'straightThroughGumbelSoftmax';
    expect(await figure(name, 'bias')).toBeGreaterThan(6 * (await figure(name, 'error')));
    expectClose(
      await gradient('exact'),
      exactGradient(softmax(await setting('Logits')), x => dot(VALUES, x)),
      WRITTEN,
    );
  });

  test('no slope: what needs one finds nothing, and leave-one-out finds the gradient', async () => {
    await chooseLoss('step');
    for (const method of ['straightThrough', 'straightThroughGumbelSoftmax', 'reinmax']) {
      expectClose(await gradient(method), [0, 0, 0], 1e-9);
      expect(await page.textContent(`[data-method="${method}"] [data-figure="cosine"]`)).toBe('–');
    }
    expect(await figure('leaveOneOut', 'bias')).toBeLessThan(4 * (await figure('leaveOneOut', 'error')));
    expect(await figure('leaveOneOut', 'cosine')).toBeGreaterThan(0.99);
  });

  test('a low temperature lowers the bias of straight-through Gumbel-softmax and raises its variance', async () => {
    await finished();
    const name = 'straightThroughGumbelSoftmax';
    const warm = [await figure(name, 'bias'), await figure(name, 'variance')] as const;
    await choose(() => pressOn(/^Temperature/, 'Home')); // 0.1
    expect(await figure(name, 'bias')).toBeLessThan(0.5 * warm[0]);
    expect(await figure(name, 'variance')).toBeGreaterThan(2 * warm[1]);
  });

  test('one seed gives the same numbers again, and another gives others', async () => {
    await finished();
    const first = await gradient('reinmax');
    await choose(() => page.click('button:text-is("Draw again")'));
    expect(await gradient('reinmax')).toEqual(first);
    await choose(() => pressOn(/^Seed/, 'ArrowRight'));
    expect(await gradient('reinmax')).not.toEqual(first);
  });

  test('every estimator of the table takes part when it is asked to', async () => {
    await pressOn(/^Draws/, 'Home'); // 128
    for (const box of await page.locator('.comparison input').all()) await box.check();
    await finished();
    const methods = await page
      .locator('.comparison [data-method]')
      .evaluateAll(rows => rows.map(row => row.getAttribute('data-method')!));
    expect(methods).toHaveLength(9);
    for (const method of methods.slice(1)) {
      const mean = await gradient(method);
      expect(Math.abs(mean.reduce((a, b) => a + b))).toBeLessThan(3 * WRITTEN); // a constant added to the logits changes nothing
      expect(await figure(method, 'variance')).toBeGreaterThan(0);
    }
  });

  test('cleared, it draws one at a time', async () => {
    await page.click('button:text-is("Clear")');
    await expect.poll(() => setting('Draws so far')).toEqual([0]);
    for (const count of [1, 2, 3]) {
      await page.click('button:text-is("Draw one")');
      await expect.poll(() => setting('Draws so far')).toEqual([count]);
    }
    await page.click('button:text-is("Run")');
    await finished();
    expect(await setting('Draws so far')).toEqual([8192]);
  });

  test('no tensor is left behind, whatever is done', async () => {
    const tensors = await setting('Tensors alive');
    for (const loss of ['kink', 'wave', 'cubic', 'sharp', 'quadratic']) {
      await page.selectOption('select', loss);
      for (let step = 0; step < 5; ++step) await page.press('.handle', 'ArrowUp');
      expect(await setting('Tensors alive')).toEqual(tensors);
    }
    await finished();
    expect(await setting('Tensors alive')).toEqual(tensors);
  });
});
