// What the library adds to a user's bundle: minified, gzipped, with TensorFlow.js left outside.
// SPDX-License-Identifier: Apache-2.0
import {gzipSync} from 'node:zlib';
import {describe, expect, test} from 'vitest';
import {type Bundler, bundleApp} from './bundle-app.js';

/** Bundles a program; the size is in kB of 1,000 bytes. */
async function bundle(program: string, bundler: Bundler = 'rolldown') {
  const {code, modules} = await bundleApp(bundler, 'size', program);
  return {size: gzipSync(code, {level: 9}).length / 1000, modules};
}

const PATHWISE =
  'straightThrough, gumbelSoftmax, straightThroughGumbelSoftmax, gumbelRao, gappedStraightThrough, reinmax, ' +
  'ESTIMATORS, getEstimator, seeded';

// Limits a little above what was measured with rolldown 1.0.0-rc.17, which stands beside each.
test.each([
  {name: 'tfjs-moe', limit: 60}, // 56.9
  {name: 'tfjs-moe/layers', limit: 50}, // 47.2
  {name: 'tfjs-moe/router', limit: 20}, // 18.2
  {name: 'tfjs-moe/estimators', limit: 10}, // 9.3
  {name: 'tfjs-moe/training', limit: 6}, // 5.3
  {name: 'tfjs-moe/wasm', limit: 60}, // 55.2, of which the binary 33.5
])('all of $name is below $limit kB', async ({name, limit}) => {
  const {size} = await bundle(`export * from '${name}';`);
  expect(size).toBeLessThan(limit);
});

// What an app takes by name from tfjs-moe. A mixture can be given any estimator and any router by its name, and so brings them all: the
// sparse routers are 7 kB of it and what carries out their choices 4.
describe.each([
  {names: 'gumbelMoE, discreteRouter, RouterMonitor, AnnealTemperature', rolldown: 30, esbuild: 32.5}, // 29.1, 31.3
  {names: 'gumbelMoE, discreteRouter', rolldown: 29.5, esbuild: 32}, // 28.6, 30.8
  {names: 'discreteRouter, RouterMonitor, AnnealTemperature', rolldown: 11, esbuild: 12}, // 10.4, 11.0
  {names: 'categoricalLatent', rolldown: 6.5, esbuild: 7}, // 6.1, 6.5
  {names: 'discreteVAE, AnnealTemperature, sumBinaryCrossentropy', rolldown: 8, esbuild: 8.5}, // 7.5, 8.1
  {names: 'softMoE', rolldown: 5.5, esbuild: 6}, // 5.2, 5.5
  {names: 'latentTreeEncoder', rolldown: 13.5, esbuild: 14.5}, // 12.8, 13.7
  {names: 'searchCell, architectureLogits, deriveModel', rolldown: 15, esbuild: 16}, // 14.5, 15.3
  {names: PATHWISE, rolldown: 5, esbuild: 5.5}, // 4.5, 4.8
  {names: 'reinmax', rolldown: 3, esbuild: 3}, // 2.7, 2.9
])('an app with $names of tfjs-moe', ({names, ...limits}) => {
  test.each(['rolldown', 'esbuild'] as const)('is within its limit by %s', async bundler => {
    const {size} = await bundle(`export {${names}} from 'tfjs-moe';`, bundler);
    expect(size).toBeLessThan(limits[bundler]);
  });
});

test('the estimators of the pathwise family bring no layer, no router and nothing of the score-function family', async () => {
  const {modules} = await bundle(`export {${PATHWISE}} from 'tfjs-moe/estimators';`);
  expect(modules.filter(id => id.includes('/dist/estimators/')).length).toBeGreaterThan(5);
  expect(modules.filter(id => /\/dist\/(layers|router|training|wasm|estimators\/score)\/(?!index)/.test(id))).toEqual(
    [],
  );
});

test('one estimator brings no other', async () => {
  const {modules} = await bundle("export {reinmax} from 'tfjs-moe';");
  const files = modules.flatMap(id => /\/dist\/estimators\/(.*)\.js$/.exec(id)?.[1] ?? []);
  expect(files.sort()).toEqual(['draw', 'reinmax', 'resolve-options']);
});

test('one layer brings no other', async () => {
  const {modules} = await bundle("export {categoricalLatent} from 'tfjs-moe';");
  expect(modules.some(id => id.endsWith('/dist/layers/categorical-latent.js'))).toBe(true);
  expect(
    modules.filter(id => /\/(gumbel-moe|discrete-router|sparse-router|search-cell|soft-moe)\.js$/.test(id)),
  ).toEqual([]);
  expect(modules.filter(id => id.includes('/dist/router/'))).toEqual([]);
});

test('the kernels for wasm, with their binary, come by their own entry point only', async () => {
  const {modules} = await bundle("export * from 'tfjs-moe';");
  expect(modules.length).toBeGreaterThan(100);
  expect(modules.filter(id => /\/dist\/(wasm|node)\//.test(id))).toEqual([]);
});
