// The tests of the site in a real Chromium: they build the playground first, so `npm test` leaves them out.
// SPDX-License-Identifier: Apache-2.0
import {fileURLToPath} from 'node:url';
import {defineConfig} from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/site/**/*.test.ts'],
    globalSetup: ['test/site/support/global-setup.ts'],
    fileParallelism: false, // the tests measure how long pages take
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
