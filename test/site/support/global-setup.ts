// Builds the playground once for all tests of the site, and serves it below a path, where a root-relative address would fail.
// SPDX-License-Identifier: Apache-2.0
import type {TestProject} from 'vitest/node';
import {buildPlayground} from './build-playground.js';
import {serveFolder} from './serve-folder.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The address of the playground. */
    playground: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const {folder, remove} = await buildPlayground();
  const {url, stop} = await serveFolder(folder, '/deep/site/playground/');
  project.provide('playground', url);
  return async () => {
    await stop();
    await remove();
  };
}
