// A page of the playground, and what went wrong in it.
// SPDX-License-Identifier: Apache-2.0
import type {Browser, BrowserContextOptions, Page} from 'playwright-core';

/** The sizes in which the playground is looked at. */
export const SIZES = {phone: {width: 390, height: 844}, desktop: {width: 1280, height: 800}} as const;

/** An open page. */
export interface WatchedPage {
  page: Page;
  /** Errors of the console, what was thrown, and requests that failed or went outside the page's own host. */
  problems: string[];
  close(): Promise<void>;
}

/**
 * Opens an address in a context of its own, so that nothing is stored from before.
 *
 * @param options Of the context: size, colour scheme.
 */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {viewport: SIZES.desktop},
): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', error => problems.push(String(error)));
  page.on('console', message => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('requestfailed', request => problems.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on('response', response => {
    if (response.status() >= 400) problems.push(`${response.status()}: ${response.url()}`);
  });
  page.on('request', request => {
    const {host, protocol} = new URL(request.url());
    if (protocol.startsWith('http') && host !== new URL(url).host) problems.push(`outside: ${request.url()}`);
  });
  await page.goto(url);
  return {page, problems, close: () => context.close()};
}
