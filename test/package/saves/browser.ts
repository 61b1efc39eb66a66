// The page that saves and loads models in Chromium, and the server that brings it the page and the saved models.
// SPDX-License-Identifier: Apache-2.0
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {extname, join, relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Download} from 'playwright-core';
import {openIsolatedPage, startChromium} from '../browser.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const HERE = join(ROOT, 'test/package/saves');
const TYPES: Record<string, string> = {'.html': 'text/html', '.mjs': 'text/javascript', '.json': 'application/json'};
const MODELS = '/models/';

/** What the page offers. */
interface PageFunctions {
  CASES: string[];
  saveModel(name: string): Promise<{before: number[]; after: number[]}>;
  loadFolder(address: string): Promise<Record<string, number[] | string>>;
}

/** Serves the page, and a folder of saved models. */
export async function startSavesServer(folder: string) {
  const server = createServer(async ({url = '/'}, response) => {
    const path = decodeURI(url.split('?', 1)[0]!);
    const file = path.startsWith(MODELS) ? join(folder, path.slice(MODELS.length)) : join(HERE, path);
    try {
      response.writeHead(200, {'content-type': TYPES[extname(file)] ?? 'application/octet-stream'});
      response.end(await readFile(file));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    /** Where the page finds a folder within the served one. */
    addressOf: (path: string) => `${address}${MODELS}${relative(folder, path)}`,
    close: () =>
      new Promise<void>(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A browser with the page open on a backend. */
export async function openSavesPage(executablePath: string, address: string, backend: 'webgl' | 'webgpu') {
  const browser = await startChromium(executablePath);
  const folderOf = (name: string) => (name === 'tfjs-moe' ? ROOT : join(ROOT, 'node_modules', name));
  const {page, errors} = await openIsolatedPage(browser, folderOf);
  await page.goto(`${address}/page.html?backend=${backend}`, {waitUntil: 'commit'}); // the module waits for its backend
  try {
    await page.waitForSelector('html[data-state]', {state: 'attached', timeout: 120_000});
  } catch (error) {
    await browser.close();
    throw new Error(`The page did not start on ${backend}: ${errors.join('\n')}`, {cause: error});
  }

  /** Saves one model as the downloads that a user of the page would get. */
  async function saveOne(name: string, folder: string) {
    const downloads: Download[] = [];
    let isWhole = () => {};
    const both = new Promise<void>(resolve => {
      isWhole = resolve;
    });
    const collect = (download: Download) => {
      if (downloads.push(download) === 2) isWhole();
    };
    page.on('download', collect);
    const result = await page.evaluate(model => (window as unknown as PageFunctions).saveModel(model), name);
    await both;
    page.off('download', collect);
    for (const download of downloads) await download.saveAs(join(folder, name, download.suggestedFilename()));
    return result;
  }

  return {
    async save(folder: string) {
      const result: Record<string, Awaited<ReturnType<PageFunctions['saveModel']>>> = {};
      const names = await page.evaluate(() => (window as unknown as PageFunctions).CASES);
      for (const name of names) result[name] = await saveOne(name, folder);
      return result;
    },
    async load(addresses: string[]) {
      const results: Record<string, number[] | string>[] = [];
      for (const from of addresses)
        results.push(await page.evaluate(at => (window as unknown as PageFunctions).loadFolder(at), from));
      return results;
    },
    close: () => browser.close(),
  };
}
