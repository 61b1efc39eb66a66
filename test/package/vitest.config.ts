// The tests of the packed package: they build, pack and install it, which takes minutes and the registry, so `npm test` leaves them out.
// SPDX-License-Identifier: Apache-2.0
import {fileURLToPath} from 'node:url';
import {defineConfig} from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/package/**/*.test.ts'],
    globalSetup: ['test/package/global-setup.ts'],
    testTimeout: 180_000,
  },
});
