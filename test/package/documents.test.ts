// What stands beside the code and names the package's version or its programs says what is so.
// SPDX-License-Identifier: Apache-2.0
import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect, test} from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFile(join(ROOT, path), 'utf8');
const readVersion = async () => (JSON.parse(await read('package.json')) as {version: string}).version;

test('CITATION.cff, CHANGELOG.md and the page of examples/browser name the version of the package', async () => {
  const version = await readVersion();
  expect(/^version: (.*)$/m.exec(await read('CITATION.cff'))?.[1]).toBe(version);
  expect(await read('CHANGELOG.md')).toContain(version);
  const addresses = (await read('examples/browser/index.html')).match(/npm\/tfjs-moe@[^/]+/g)!;
  expect(new Set(addresses)).toEqual(new Set([`npm/tfjs-moe@${version}`]));
});

test('examples/README.md lists every program of the command', async () => {
  const table = await read('examples/programs.ts');
  const programs = [...table.matchAll(/'\.\/([\w-]+)\/index\.js/g)].map(match => match[1]!);
  const listed = [...(await read('examples/README.md')).matchAll(/^\| \[([\w-]+)\]\(\1\/index\.ts\)/gm)].map(
    match => match[1]!,
  );
  expect(programs.length).toBeGreaterThan(5);
  expect(listed.sort()).toEqual(programs.sort());
});

test('every folder of examples is a program, or named in examples/README.md', async () => {
  const text = await read('examples/README.md');
  const entries = await readdir(join(ROOT, 'examples'), {withFileTypes: true});
  const folders = entries.filter(entry => entry.isDirectory()).map(({name}) => name);
  expect(folders.filter(name => !new RegExp(`[\`[]${name}[\`/\\]]`).test(text))).toEqual([]);
});
