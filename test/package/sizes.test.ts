// What the library adds to a user's bundle: minified, gzipped, with TensorFlow.js left outside.
// SPDX-License-Identifier: Apache-2.0
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {type OutputChunk, rolldown} from 'rolldown';
import {expect, inject, test} from 'vitest';

/** The peers, and what Node and only tfjs-moe/node bring. */
const OUTSIDE = /^(@tensorflow\/|node:|webgpu$|write-file-atomic$)/;

/** Bundles a program in the installation. */
async function bundle(name: string, program: string): Promise<{bytes: number; modules: string[]}> {
  const folder = inject('modular');
  const input = join(folder, `size-of-${name}.mjs`);
  await writeFile(input, program);
  const built = await rolldown({input, cwd: folder, external: OUTSIDE, platform: 'neutral', logLevel: 'silent'});
  const {output} = await built.generate({format: 'esm', minify: true});
  await built.close();
  const chunks = output.filter((part): part is OutputChunk => part.type === 'chunk');
  const code = chunks.map(chunk => chunk.code).join('\n');
  return {bytes: gzipSync(code, {level: 9}).length, modules: chunks.flatMap(chunk => chunk.moduleIds)};
}

// kB of 1,000 bytes, a little above what was measured with rolldown 1.0.0-rc.17, which stands beside each.
test.each([
  {name: 'tfjs-moe', limit: 60}, // 55.9
  {name: 'tfjs-moe/layers', limit: 50}, // 47.0
  {name: 'tfjs-moe/router', limit: 20}, // 18.1
  {name: 'tfjs-moe/estimators', limit: 10}, // 9.2
  {name: 'tfjs-moe/training', limit: 5}, // 4.3
  {name: 'tfjs-moe/wasm', limit: 60}, // 55.2, of which the binary 33.5
])('all of $name is below $limit kB', async ({name, limit}) => {
  const {bytes} = await bundle(name.replace('/', '-'), `export * from '${name}';`);
  expect(bytes / 1000).toBeLessThan(limit);
});

test('the estimators of the pathwise family, with their registry, are below 6 kB', async () => {
  // 4.4 kB. They need no layer, no router and nothing of the score-function family.
  const names = [
    'straightThrough, gumbelSoftmax, straightThroughGumbelSoftmax, gumbelRao, gappedStraightThrough, reinmax',
    'ESTIMATORS, getEstimator, seeded',
  ];
  const {bytes, modules} = await bundle('pathwise', `export {${names.join(', ')}} from 'tfjs-moe/estimators';`);
  expect(bytes / 1000).toBeLessThan(6);
  expect(modules.filter(id => /\/dist\/(layers|router|training|wasm|estimators\/score)\/(?!index)/.test(id))).toEqual(
    [],
  );
});

test('one estimator is below 3 kB', async () => {
  const {bytes} = await bundle('reinmax', "export {reinmax} from 'tfjs-moe/estimators';"); // 2.6 kB
  expect(bytes / 1000).toBeLessThan(3);
});

test('the kernels for wasm, with their binary, come by their own entry point only', async () => {
  const {modules} = await bundle('all', "export * from 'tfjs-moe';");
  expect(modules.length).toBeGreaterThan(100);
  expect(modules.filter(id => /\/dist\/(wasm|node)\//.test(id))).toEqual([]);
});
