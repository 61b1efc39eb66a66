// The page of examples/browser in a real browser: its modules are the packed ones, at the addresses of the CDN that it names.
// SPDX-License-Identifier: Apache-2.0
import {readFile} from 'node:fs/promises';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Browser} from 'playwright-core';
import {afterAll, beforeAll, beforeEach, describe, expect, inject, test} from 'vitest';
import {findChromium, openIsolatedPage, startChromium} from './browser.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const executable = findChromium();

/** Milliseconds for a visit. Some seconds do on a quiet machine. */
const TIMEOUT = 240_000;

/** The union package brings every backend but webgpu. */
const folderOf = (name: string) =>
  join(name === '@tensorflow/tfjs-backend-webgpu' ? ROOT : inject('union'), 'node_modules', name);

describe('examples/browser/index.html', {timeout: TIMEOUT + 30_000}, () => {
  let browser: Browser | undefined;
  let server: Server;
  let address: string;

  beforeAll(async () => {
    const page = await readFile(join(ROOT, 'examples/browser/index.html'));
    server = createServer((_, response) => {
      response.writeHead(200, {'content-type': 'text/html'}).end(page);
    });
    await new Promise<void>(resolve => {
      server.listen(0, '127.0.0.1', resolve);
    });
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    if (executable !== undefined) browser = await startChromium(executable);
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    server.close();
  });

  beforeEach(({skip}) => {
    skip(browser === undefined, 'no Chromium is installed (Debian: apt-get install chromium)');
  });

  /** Opens the page and waits until its training has ended, well or not. */
  async function visit(query: string) {
    const {page, errors, loaded} = await openIsolatedPage(browser!, folderOf);
    await page.goto(`${address}${query}`);
    await page.waitForSelector('html[data-state]', {state: 'attached', timeout: TIMEOUT});
    const status = (await page.textContent('#status'))!;
    const labels = await page.$$eval('svg', charts => charts.map(chart => chart.getAttribute('aria-label')!));
    const background = async (colorScheme: 'light' | 'dark') => {
      await page.emulateMedia({colorScheme});
      return page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    };
    const backgrounds = [await background('light'), await background('dark')];
    await page.close();
    return {status, labels, backgrounds, errors, loaded};
  }

  test.each([
    {query: '', backend: 'wasm', epochs: 30},
    {query: '?backend=cpu', backend: 'cpu', epochs: 30},
    {query: '?backend=webgl&epochs=2', backend: 'webgl', epochs: 2}, // drawn by the processor here: seconds an epoch
  ])('with the query $query it trains on $backend and shows error and load', async ({query, backend, epochs}) => {
    const {status, labels, errors, loaded} = await visit(query);
    expect(errors).toEqual([]);
    const done = /^Done on the backend (\w+), (\d+) epochs in [\d.]+ s: mean squared error (\d\.\d+), load (.*)\.$/;
    expect(status).toMatch(done);
    const [, name, count, error, load] = done.exec(status)!;
    expect([name, Number(count)]).toEqual([backend, epochs]);
    // The best linear model has E[b²] = 1/3 for b uniform in [-1, 1], as sign(a) b is uncorrelated with a and b; half of it after all epochs.
    expect(Number(error)).toBeLessThan(epochs === 30 ? 1 / 6 : 1 / 3);
    const shares = load!.split(', ').map(share => Number.parseInt(share, 10));
    expect(shares).toHaveLength(4);
    expect(Math.abs(shares.reduce((a, b) => a + b) - 100)).toBeLessThanOrEqual(2); // each is rounded by at most a half
    const [curve, bars] = labels;
    expect(curve!.split(': ')[1]!.split(', ')).toHaveLength(epochs);
    expect(curve).toMatch(new RegExp(`${error}$`));
    expect(bars).toBe(`Load: ${shares.map((share, expert) => `expert ${expert} ${share}\u00a0%`).join(', ')}`);
    // Only the backend that runs is fetched.
    const backends = loaded
      .map(file => /tfjs-backend-(\w+)\/.*js$/.exec(file)?.[1])
      .filter(found => found !== undefined);
    expect(backends).toEqual([backend]);
    expect(loaded.includes('tfjs-moe/dist/wasm/index.js')).toBe(backend === 'wasm');
  });

  test('it says why a backend that is not there cannot be used, and is dark where the reader wants it so', async () => {
    const {status, backgrounds} = await visit('?backend=abacus');
    expect(status).toBe('Failed: No backend. abacus: there is no such backend');
    // #ffffff and #14181e
    expect(backgrounds).toEqual(['rgb(255, 255, 255)', 'rgb(20, 24, 30)']);
  });
});
