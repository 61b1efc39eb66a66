// An installed Chromium, in which a test opens a page whose modules come from a CDN: here the CDN is folders on this machine.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {extname, join} from 'node:path';
import {type Browser, chromium, type Page, type Route} from 'playwright-core';

/** Where Debian and others put it; playwright-core brings no browser of its own. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** The address of a file in a package: name, version, path. */
const CDN_FILE = /^https:\/\/cdn\.jsdelivr\.net\/npm\/((?:@[^/]+\/)?[^/@]+)@([^/]+)\/(.+)$/;

const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.map': 'application/json',
};

/** The path of a Chromium; undefined where none is installed. */
export function findChromium(): string | undefined {
  return PLACES.find(existsSync);
}

/** No sandbox, which refuses to run as root, as containers do; WebGL and WebGPU computed by the processor. */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
];

/** Starts it without a window. */
export function startChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({executablePath, args: CHROMIUM_ARGS});
}

/** A page that has no network: what it asks of the CDN, it gets from the folders. */
export interface IsolatedPage {
  page: Page;
  /** What the console said of errors, what was thrown, and what was asked for in vain, in the order of events. */
  errors: string[];
  /** The files of the CDN that were asked for, as package/path. */
  loaded: string[];
}

/**
 * Opens an empty page in which only loopback and the CDN answer.
 *
 * @param folderOf The folder of an installed package, by its name. An address with another version than the one installed is not found.
 */
export async function openIsolatedPage(browser: Browser, folderOf: (name: string) => string): Promise<IsolatedPage> {
  const page = await browser.newPage();
  const errors: string[] = [];
  const loaded: string[] = [];
  page.on('pageerror', error => errors.push(String(error)));
  page.on('console', message => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.route(/^https?:(?!\/\/127\.0\.0\.1:)/, async route => {
    const file = await readCdnFile(route, folderOf);
    if (!file) {
      errors.push(`not found: ${route.request().url()}`);
      return route.fulfill({status: 404});
    }
    loaded.push(file.name);
    return route.fulfill({
      body: file.body,
      contentType: TYPES[extname(file.name)],
      headers: {'access-control-allow-origin': '*'},
    });
  });
  return {page, errors, loaded};
}

async function readCdnFile(route: Route, folderOf: (name: string) => string) {
  const [, name, version, path] = CDN_FILE.exec(route.request().url()) ?? [];
  if (name === undefined || path === undefined) return undefined;
  const folder = folderOf(name);
  try {
    const installed = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {version: string};
    return installed.version === version
      ? {name: `${name}/${path}`, body: await readFile(join(folder, path))}
      : undefined;
  } catch {
    return undefined; // no such package or file
  }
}
