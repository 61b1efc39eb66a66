// Builds the playground into the documentation site, as static files that work at any path of a host.
// SPDX-License-Identifier: Apache-2.0
import {fileURLToPath} from 'node:url';
import {defineConfig} from 'vite';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  oxc: {jsx: {runtime: 'automatic', importSource: 'preact'}},
  build: {
    outDir: fileURLToPath(new URL('../site/playground', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // a wasm binary inside a script would be parsed as text first
    chunkSizeWarningLimit: 1500, // TensorFlow.js, which no lab can do without, loads after the page stands
  },
});
