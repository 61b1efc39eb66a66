// The lab of codes in a real browser, against the same model in Node.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-wasm';
import {readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type {Browser, Page} from 'playwright-core';
import {DiscreteVAE} from 'tfjs-moe';
import {fileSystem} from 'tfjs-moe/node';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test} from 'vitest';
import {findChromium, startChromium} from '../package/browser.js';
import {openPage, SIZES, type WatchedPage} from './support/open-page.js';

const FOLDER = 'docs/playground/public/vae';
const PIXELS = 784;
/** Of a canvas, which has bytes; both sides round. */
const ROUNDING = 1;
const LETTERS = 'ABCD';

const executable = findChromium();

let vae: DiscreteVAE;
let digits: Float32Array[];
let browser: Browser | undefined;

beforeAll(async () => {
  await tf.setBackend('wasm');
  const model = await tfl.loadLayersModel(fileSystem(FOLDER));
  vae = new DiscreteVAE(model);
  const {file, labels} = (model.getUserDefinedMetadata() as {digits: {file: string; labels: number[]}}).digits;
  const bytes = await readFile(`${FOLDER}/${file}`);
  digits = labels.map((_, i) => Float32Array.from(bytes.subarray(i * PIXELS, (i + 1) * PIXELS), byte => byte / 255));
  if (executable !== undefined) browser = await startChromium(executable);
});
afterAll(async () => {
  vae.model.dispose();
  await browser?.close();
});

/** The likeliest code of a digit, as the page writes it. */
function codeOf(digit: Float32Array): string {
  const code = tf.tidy(() => vae.encode(tf.tensor2d(digit, [1, PIXELS])).dataSync());
  return [...code].map(letter => LETTERS[letter]).join('');
}

/** What the decoder draws for a code, in bytes of ink. */
function pictureOf(code: string): number[] {
  const letters = [...code].map(letter => LETTERS.indexOf(letter));
  const means = tf.tidy(() => vae.decode(tf.tensor2d(letters, [1, letters.length], 'int32')).dataSync());
  return [...means].map(mean => 255 * mean);
}

const shownCode = (page: Page) => page.getAttribute('.codes-grid', 'data-code') as Promise<string>;
const tensors = async (page: Page) => Number(await page.getAttribute('.codes-grid', 'data-tensors'));
const waitForCode = (page: Page, code: string) => page.waitForSelector(`.codes-grid[data-code="${code}"]`);

/** The ink of the input (0) or of the decoded picture (1): a canvas's opacity. */
function shownInk(page: Page, which: 0 | 1): Promise<number[]> {
  return page.$$eval(
    '.codes-pictures canvas',
    (canvases, i) => {
      const {data} = (canvases[i] as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, 28, 28);
      return Array.from({length: 784}, (_, at) => data[4 * at + 3]!);
    },
    which,
  );
}

function expectInk(received: number[], expected: number[]): void {
  expect(received).toHaveLength(expected.length);
  const apart = received.map((value, i) => Math.abs(value - expected[i]!));
  expect(Math.max(...apart)).toBeLessThanOrEqual(ROUNDING);
}

/** A code with the next letter at one place, the first after the last. */
function turned(code: string, place: number): string {
  const letter = LETTERS[(LETTERS.indexOf(code[place]!) + 1) % LETTERS.length]!;
  return code.slice(0, place) + letter + code.slice(place + 1);
}

const digitButton = (page: Page, index: number) => page.locator('.codes-source input[type=radio]').nth(index);
const cell = (page: Page, place: number, letter: string) =>
  page.locator('.codes-place').nth(place).locator('input').nth(LETTERS.indexOf(letter));
const button = (page: Page, name: string) => page.getByRole('button', {name, exact: true});

describe('the lab of codes', () => {
  let open: WatchedPage;
  let page: Page;

  beforeEach(async ({skip}) => {
    skip(browser === undefined, 'no Chromium is installed (Debian: apt-get install chromium)');
    open = await openPage(browser!, `${inject('playground')}#codes`);
    page = open.page;
    await page.waitForSelector('.codes-grid', {timeout: 60_000});
  });

  afterEach(async () => {
    if (browser === undefined) return;
    expect(open.problems).toEqual([]);
    await open.close();
  });

  test('a digit that is chosen has the code and the picture that the model gives in Node', async () => {
    for (const index of [0, 13, 29]) {
      const code = codeOf(digits[index]!);
      await digitButton(page, index).check();
      await waitForCode(page, code);
      expectInk(
        await shownInk(page, 0),
        [...digits[index]!].map(value => 255 * value),
      );
      expectInk(await shownInk(page, 1), pictureOf(code));
    }
  });

  test('a letter that is clicked changes the code there, and the picture to what the decoder draws in Node', async () => {
    for (const place of [0, 4, 9]) {
      const code = turned(await shownCode(page), place);
      await cell(page, place, code[place]!).click();
      await waitForCode(page, code);
      expectInk(await shownInk(page, 1), pictureOf(code));
    }
  });

  test('the picture of a letter is the digit that a click on it gives', async () => {
    const code = turned(await shownCode(page), 6);
    await page.getByText('colour what a letter changes').click();
    const preview = await page.$$eval(
      '.codes-place',
      (places, letter) => {
        const canvas = places[6]!.querySelectorAll('canvas')[letter]!;
        const {data} = canvas.getContext('2d')!.getImageData(0, 0, 28, 28);
        return Array.from({length: 784}, (_, at) => data[4 * at + 3]!);
      },
      LETTERS.indexOf(code[6]!),
    );
    expectInk(preview, pictureOf(code));
  });

  test('arrow keys change a letter, Tab goes to the next place', async () => {
    const code = await shownCode(page);
    await cell(page, 2, code[2]!).focus();
    await page.keyboard.press('ArrowRight');
    await waitForCode(page, turned(code, 2));
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    const both = turned(turned(code, 2), 3);
    await waitForCode(page, both);
    expectInk(await shownInk(page, 1), pictureOf(both));
    await button(page, 'Likeliest code').click();
    await waitForCode(page, code);
  });

  test('draws from the prior are legal codes, which differ, and are the same after a reset', async () => {
    const draw = async () => {
      const before = await shownCode(page);
      await button(page, 'Sample the prior').click();
      await page.waitForSelector(`.codes-grid:not([data-code="${before}"])`);
      return shownCode(page);
    };
    const first = [await draw(), await draw(), await draw()];
    for (const code of first) expect(code).toMatch(/^[A-D]{10}$/);
    expect(new Set(first).size).toBe(3);
    expectInk(await shownInk(page, 1), pictureOf(first[2]!));
    await button(page, 'Reset').click();
    await page.waitForSelector(`.codes-grid:not([data-code="${first[2]}"])`);
    expect([await draw(), await draw(), await draw()]).toEqual(first);
  });

  test('draws from the encoder keep the letters of which it is certain', async () => {
    await digitButton(page, 13).check();
    const code = codeOf(digits[13]!);
    await waitForCode(page, code);
    const certain = await page.$$eval('.codes-place', places =>
      places.map(place =>
        Array.from(place.querySelectorAll('.codes-percent span')).some(span => span.textContent === '100 %'),
      ),
    );
    expect(certain).toContain(true);
    for (let i = 0; i < 5; ++i) {
      await button(page, 'Sample a code').click();
      await page.waitForTimeout(100);
      const drawn = await shownCode(page);
      expect(drawn).toMatch(/^[A-D]{10}$/);
      // A hundred per cent is at least 99.5, of each of some five places: a draw of another letter in five times is no surprise of note.
      const kept = certain.filter((isCertain, place) => isCertain && drawn[place] === code[place]).length;
      expect(kept).toBeGreaterThanOrEqual(certain.filter(Boolean).length - 1);
    }
  });

  test('a walk ends at the other digit: by the slider, and on its own', async () => {
    const [from, to] = [codeOf(digits[9]!), codeOf(digits[21]!)];
    await digitButton(page, 9).check();
    await waitForCode(page, from);
    await page.locator('.codes-walk input[type=radio]').nth(7).check(); // the first 7
    const slider = page.locator('.codes-walk input[type=range]');
    await slider.focus();
    await page.keyboard.press('ArrowRight');
    const differs = [...from].findIndex((letter, place) => letter !== to[place]);
    await waitForCode(page, from.slice(0, differs) + to[differs] + from.slice(differs + 1));
    await page.keyboard.press('End');
    await waitForCode(page, to);
    await button(page, 'Walk').click();
    await waitForCode(page, from);
    await waitForCode(page, to);
    expectInk(await shownInk(page, 1), pictureOf(to));
  });

  test('a drawing is centred as the digits are, and has a code', async () => {
    const before = await shownInk(page, 0);
    const box = (await page.locator('.codes-pad canvas').boundingBox())!;
    const at = (x: number, y: number) => [box.x + x * box.width, box.y + y * box.height] as const;
    // A one, in a corner of the pad.
    await page.mouse.move(...at(0.2, 0.1));
    await page.mouse.down();
    await page.mouse.move(...at(0.22, 0.3), {steps: 5});
    await page.mouse.move(...at(0.24, 0.6), {steps: 5});
    await page.mouse.up();
    await expect.poll(async () => (await shownInk(page, 0)).join() !== before.join()).toBe(true);
    await expect.poll(async () => Math.round(centerRow(await shownInk(page, 0)))).toBe(14);
    const ink = await shownInk(page, 0);
    const digit = Float32Array.from(ink, value => value / 255);
    expect(await page.getByRole('img', {name: 'Your drawing'}).count()).toBe(1);
    // The page codes the drawing before it is rounded to bytes for the canvas: letters at which the encoder wavers may differ.
    const [received, expected] = [await shownCode(page), codeOf(digit)];
    expect([...received].filter((letter, place) => letter === expected[place]).length).toBeGreaterThanOrEqual(9);
  });

  test('leaves no tensor, neither by what one does nor by going away and coming back', async () => {
    const atFirst = await tensors(page);
    expect(atFirst).toBeGreaterThan(0);
    for (let i = 0; i < 5; ++i) {
      await digitButton(page, 3 * i).check();
      await waitForCode(page, codeOf(digits[3 * i]!));
      await button(page, 'Sample a code').click();
      await button(page, 'Sample the prior').click();
      await page.waitForTimeout(50);
    }
    const code = turned(await shownCode(page), 1);
    await cell(page, 1, code[1]!).click();
    await waitForCode(page, code);
    expect(await tensors(page)).toBe(atFirst);
    const comeBack = async () => {
      for (const [hash, state] of [
        ['#estimators', 'detached'],
        ['#codes', 'visible'],
      ] as const) {
        await page.evaluate(to => {
          location.hash = to;
        }, hash);
        await page.waitForSelector('.codes-grid', {state, timeout: 60_000});
        await page.waitForTimeout(1500); // for what the lab that was left has under way
      }
      await digitButton(page, 0).check();
      await waitForCode(page, codeOf(digits[0]!));
      return tensors(page);
    };
    const once = await comeBack();
    expect(await comeBack()).toBe(once);
  });

  test('answers a click within a second', async () => {
    const code = turned(await shownCode(page), 3);
    const began = performance.now();
    await cell(page, 3, code[3]!).click();
    await waitForCode(page, code);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe('the lab of codes on a phone', () => {
  test('fits, keeps the pictures in sight, and has nothing that is too small to hit', async ({skip}) => {
    skip(browser === undefined, 'no Chromium is installed (Debian: apt-get install chromium)');
    const {page, problems, close} = await openPage(browser!, `${inject('playground')}#codes`, {
      viewport: SIZES.phone,
      hasTouch: true,
    });
    await page.waitForSelector('.codes-grid', {timeout: 60_000});
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(SIZES.phone.width);
    const boxes = await page.$$eval('.codes-cell, .codes-digits label, .codes .button', elements =>
      elements.map(element => element.getBoundingClientRect()).map(({width, height}) => Math.min(width, height)),
    );
    expect(Math.min(...boxes)).toBeGreaterThanOrEqual(44);
    const code = turned(await shownCode(page), 9);
    await cell(page, 9, code[9]!).tap();
    await waitForCode(page, code);
    const {y} = (await page.locator('.codes-pictures').boundingBox())!;
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y).toBeLessThan(SIZES.phone.height / 2);
    expect(problems).toEqual([]);
    await close();
  });

  test('has no fault that axe calls serious, in either theme', async ({skip}) => {
    skip(browser === undefined, 'no Chromium is installed (Debian: apt-get install chromium)');
    for (const colorScheme of ['light', 'dark'] as const) {
      const {page, close} = await openPage(browser!, `${inject('playground')}#codes`, {
        viewport: SIZES.phone,
        colorScheme,
      });
      await page.waitForSelector('.codes-grid', {timeout: 60_000});
      await page.addScriptTag({path: createRequire(import.meta.url).resolve('axe-core/axe.min.js')});
      const found = await page.evaluate(async () => {
        const {violations} = await (globalThis as unknown as {axe: Axe}).axe.run();
        return violations.map(({id, impact, nodes}) => `${id} (${impact}): ${nodes[0]!.html.slice(0, 200)}`);
      });
      expect(found.filter(text => /\((serious|critical)\)/.test(text))).toEqual([]);
      await close();
    }
  });
});

interface Axe {
  run(): Promise<{violations: {id: string; impact: string; nodes: {html: string}[]}[]}>;
}

/** Of the ink's centre of mass, counted from 0. */
function centerRow(ink: number[]): number {
  const mass = ink.reduce((sum, value) => sum + value, 0);
  return ink.reduce((sum, value, i) => sum + value * Math.floor(i / 28), 0) / mass;
}
