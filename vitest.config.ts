import {fileURLToPath} from 'node:url';
import {defineConfig} from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      {find: /^tfjs-moe\/(\w+)$/, replacement: source('$1/index.ts')},
      {find: /^tfjs-moe$/, replacement: source('index.ts')},
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/package/**'],
    // The binary of src/wasm/assembly, where a source is newer than it.
    globalSetup: ['scripts/build-assembly.mjs'],
    testTimeout: 60_000,
  },
});
