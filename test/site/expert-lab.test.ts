// The lab of experts in a real browser: it trains on every backend, its settings act, and it leaves no tensor.
// SPDX-License-Identifier: Apache-2.0
import type {Browser, Page} from 'playwright-core';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test} from 'vitest';
import {findChromium, startChromium} from '../package/browser.js';
import {openPage, SIZES, type WatchedPage} from './support/open-page.js';

const executable = findChromium();

/** Milliseconds. Some seconds do on a quiet machine; WebGPU computed by a busy processor takes minutes, most of them for its shaders. */
const TIMEOUT = 280_000;

let browser: Browser | undefined;
let open: WatchedPage | undefined;

beforeAll(async () => {
  if (executable !== undefined) browser = await startChromium(executable);
});
afterAll(() => browser?.close());
beforeEach(({skip}) => {
  skip(browser === undefined, 'no Chromium is installed (Debian: apt-get install chromium)');
});
afterEach(() => open?.close());

/** Opens the lab, which begins to train by itself. */
async function openLab(viewport: {width: number; height: number} = SIZES.desktop): Promise<Page> {
  open = await openPage(browser!, `${inject('playground')}#experts`, {viewport});
  await open.page.waitForSelector('.experts-lab[data-state="running"]', {timeout: TIMEOUT});
  return open.page;
}

/** A number that the lab says of its last picture. */
const said = (page: Page, name: string) =>
  page.$eval('.experts-lab', (lab, key) => Number((lab as HTMLElement).dataset[key]), name);

/** Waits until a number of the lab is above a bound, and below another. */
function waitFor(page: Page, name: string, above: number, below = Number.POSITIVE_INFINITY): Promise<unknown> {
  return page.waitForFunction(
    ({key, low, high}) => {
      const value = Number(document.querySelector<HTMLElement>('.experts-lab')?.dataset[key]);
      return value > low && value < high;
    },
    {key: name, low: above, high: below},
    {timeout: TIMEOUT},
  );
}

const shares = (page: Page) =>
  page.$$eval('.experts-load li', rows => rows.map(row => Number((row as HTMLElement).dataset.share)));

/** Sets a slider by its label, as a hand would. */
function slide(page: Page, label: string, value: number): Promise<void> {
  return page.getByLabel(label, {exact: true}).fill(String(value));
}

describe('the lab of experts', {timeout: 2 * TIMEOUT}, () => {
  test('tells two moons apart on wasm, with loads that sum to 100 %', async () => {
    const page = await openLab();
    expect(await page.getAttribute('.experts-lab', 'data-backend')).toBe('wasm');
    await waitFor(page, 'score', 0.9);
    expect(await said(page, 'step')).toBeGreaterThan(20);
    const load = await shares(page);
    expect(load).toHaveLength(4);
    expect(load.reduce((sum, share) => sum + share)).toBeCloseTo(1, 5);
    expect(open!.problems).toEqual([]);
  });

  test('without a weight on the balance experts die, and are named; with one that is set while it trains, the load evens out', async () => {
    const page = await openLab();
    await page.getByRole('button', {name: 'Let experts die'}).click();
    await page.waitForSelector('.experts-load li:nth-child(8)', {timeout: TIMEOUT});
    await waitFor(page, 'violation', 2.5);
    await page.waitForSelector('.experts-load .dead >> text=/dead since step \\d+/', {timeout: TIMEOUT});
    await slide(page, 'Weight of the balance loss', 1);
    await waitFor(page, 'violation', -1, 1);
    expect(await said(page, 'balance')).toBeLessThan(2);
    expect(open!.problems).toEqual([]);
  });

  test('Pause holds, Step makes one step, Run goes on and Restart begins at 0, all by the keyboard', async () => {
    const page = await openLab(SIZES.phone);
    await waitFor(page, 'step', 1);
    const press = async (name: string) => {
      await page.getByRole('button', {name, exact: true}).focus();
      await page.keyboard.press('Enter');
    };
    await press('Pause');
    await page.waitForSelector('.experts-lab[data-state="paused"]');
    await page.waitForTimeout(1500); // the frame at hand ends
    const step = await said(page, 'step');
    await page.waitForTimeout(500);
    expect(await said(page, 'step')).toBe(step);
    await press('Step');
    await waitFor(page, 'step', step, step + 2);
    await press('Restart');
    await waitFor(page, 'step', -1, 1);
    await press('Run');
    await waitFor(page, 'step', 5);
    expect(open!.problems).toEqual([]);
  });

  test('neither training nor new models leave a tensor', async () => {
    const page = await openLab();
    await waitFor(page, 'step', 2);
    const tensors = await said(page, 'tensors');
    await waitFor(page, 'step', 60);
    expect(await said(page, 'tensors')).toBe(tensors);
    await page.getByRole('button', {name: 'Bent regions'}).click();
    await page.waitForSelector('.experts-load li:nth-child(8)', {timeout: TIMEOUT});
    await page.getByRole('button', {name: 'Too much balance'}).click(); // four linear experts on moons, as at first
    await page.waitForSelector('.experts-load:not(:has(li:nth-child(5)))', {timeout: TIMEOUT});
    await waitFor(page, 'step', 2);
    expect(await said(page, 'tensors')).toBe(tensors);
  });

  test.for(['webgpu', 'webgl', 'cpu'])('trains on %s, where the browser has it', async (backend, {skip}) => {
    const page = await openLab();
    const choice = page.locator(`.experts-new input[value="${backend}"]`);
    await page.waitForSelector('.experts-new input[value="cpu"]', {state: 'attached', timeout: TIMEOUT});
    skip((await choice.count()) === 0, `this Chromium has no ${backend}`);
    await waitFor(page, 'step', 0);
    await page.getByRole('button', {name: 'Pause'}).click();
    await page.waitForSelector('.experts-lab[data-state="paused"]');
    await choice.check({force: true});
    await page.waitForSelector(`.experts-lab[data-backend="${backend}"]`, {timeout: TIMEOUT});
    await waitFor(page, 'step', -1, 1);
    await page.getByRole('button', {name: 'Run'}).click();
    await waitFor(page, 'step', 5);
    await waitFor(page, 'loss', 0, 0.69); // nats: what a guess loses
    expect((await shares(page)).reduce((sum, share) => sum + share)).toBeCloseTo(1, 5);
    expect(open!.problems).toEqual([]);
  });

  test('fits a phone: nothing is wider than the page', async () => {
    const page = await openLab(SIZES.phone);
    await waitFor(page, 'step', 1);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(SIZES.phone.width);
  });
});
