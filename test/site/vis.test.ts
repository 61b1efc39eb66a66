// RouterCharts with the real tfjs-vis, in a real browser.
// SPDX-License-Identifier: Apache-2.0
import {fileURLToPath} from 'node:url';
import type {Browser} from 'playwright-core';
import {rolldown} from 'rolldown';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {findChromium, startChromium} from '../package/browser.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const executable = findChromium();

/** Milliseconds. Some seconds do on a quiet machine. */
const TIMEOUT = 240_000;

/** The page's program and all that it imports, as one text. */
async function bundlePage(): Promise<string> {
  const bundle = await rolldown({
    input: `${ROOT}test/site/vis-page.ts`,
    cwd: ROOT,
    platform: 'browser',
    tsconfig: `${ROOT}tsconfig.json`, // names tfjs-moe's entry points
    resolve: {mainFields: ['module', 'main']},
    logLevel: 'silent',
  });
  const {output} = await bundle.generate({format: 'esm', codeSplitting: false});
  await bundle.close();
  return output[0].code;
}

describe('a page with tfjs-vis', {timeout: TIMEOUT + 30_000}, () => {
  let browser: Browser | undefined;
  let code: string;

  beforeAll(async () => {
    if (executable === undefined) return;
    [browser, code] = await Promise.all([startChromium(executable), bundlePage()]);
  }, 120_000);

  afterAll(() => browser?.close());

  beforeEach(({skip}) => {
    skip(browser === undefined, 'no Chromium is installed (Debian: apt-get install chromium)');
  });

  test('shows the load of each expert and a curve a metric, in the visor and in an element, while fit runs', async () => {
    const page = await browser!.newPage({viewport: {width: 1200, height: 1300}});
    const errors: string[] = [];
    page.on('pageerror', error => errors.push(String(error)));
    page.on('console', message => {
      if (message.type() === 'error') errors.push(message.text());
    });
    await page.setContent('<!doctype html><title>Routers</title><h3>Below</h3><div id="below"></div>');
    await page.addScriptTag({type: 'module', content: code});
    await page.waitForSelector('html[data-state]', {state: 'attached', timeout: TIMEOUT});
    expect(await page.getAttribute('html', 'data-state')).toBe('done');
    if (process.env.TFJS_MOE_SCREENSHOTS) await page.screenshot({path: `${process.env.TFJS_MOE_SCREENSHOTS}/vis.png`});
    const shown = async (place: string) =>
      page.$eval(place, element => ({
        titles: Array.from(element.querySelectorAll('h4'), title => title.textContent),
        drawings: Array.from(element.querySelectorAll('h4 + div'), chart => {
          const drawing = chart.querySelector<HTMLElement>('canvas, svg');
          return drawing ? drawing.clientWidth * drawing.clientHeight : 0;
        }),
      }));
    const inVisor = await shown('#tfjs-visor-container');
    expect(inVisor.titles).toEqual([
      'moe: load of the experts',
      'Loss',
      'Largest load over the balanced one, less 1',
      "Entropy of a token's probabilities, nats",
    ]);
    const below = await shown('#below');
    expect(below.titles).toEqual(['moe: load of the experts', 'Experts without a token']);
    for (const area of [...inVisor.drawings, ...below.drawings]) expect(area).toBeGreaterThan(10_000); // pixels
    const load = JSON.parse((await page.getAttribute('html', 'data-load'))!) as number[];
    expect(load).toHaveLength(4);
    expect(load.reduce((sum, share) => sum + share)).toBeCloseTo(1, 6);
    expect(errors).toEqual([]);
    await page.close();
  });
});
