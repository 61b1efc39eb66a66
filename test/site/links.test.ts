// The built site: no warning, no dead link within it, no missing picture, and every guide in its navigation.
// SPDX-License-Identifier: Apache-2.0
import {execFile} from 'node:child_process';
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {LinkChecker, LinkState} from 'linkinator';
import {afterAll, beforeAll, expect, test} from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const typedoc = join(createRequire(import.meta.url).resolve('typedoc'), '../../bin/typedoc');

/** Milliseconds for a build, and for a visit of all pages, on a machine that may be busy. */
const PATIENCE = 300_000;

let site: string;
let output: string;

beforeAll(async () => {
  site = await mkdtemp(join(tmpdir(), 'tfjs-moe-site-'));
  const {stdout, stderr} = await promisify(execFile)(process.execPath, [typedoc, '--out', site], {cwd: ROOT});
  output = stdout + stderr;
  // The playground is built by itself, and other tests visit it: here the links to it are what counts.
  await mkdir(join(site, 'playground'), {recursive: true});
  await writeFile(join(site, 'playground/index.html'), '<!doctype html><title>Playground</title>');
}, PATIENCE);

afterAll(() => rm(site, {recursive: true, force: true}));

test('the site builds without a warning', () => {
  expect(output).not.toMatch(/warning|error/i);
  expect(existsSync(join(site, 'index.html'))).toBe(true);
});

test(
  'no link within the site is dead, none names a heading that is not there, and no picture is missing',
  async () => {
    const pages = (await readdir(site, {recursive: true})).filter(path => path.endsWith('.html'));
    const {links} = await new LinkChecker().check({
      path: pages, // all: the site's own navigation is made by a script, which a checker of links does not run
      serverRoot: site,
      checkFragments: true,
      checkCss: true,
      concurrency: 8,
      linksToSkip: async link => !link.startsWith('http://localhost:'), // other hosts are not asked
    });
    const visited = links.filter(({state}) => state === LinkState.OK);
    expect(visited.length).toBeGreaterThan(pages.length);
    expect(visited.filter(({url}) => /\.(svg|png)$/.test(url)).length).toBeGreaterThan(10);
    expect(visited.some(({url}) => url.endsWith('playground/index.html'))).toBe(true);
    const dead = links.filter(({state}) => state === LinkState.BROKEN);
    expect(dead.map(({url, parent}) => `${parent} -> ${url}`)).toEqual([]);
  },
  PATIENCE,
);

test('every guide is in the navigation, and a formula is set as MathML', async () => {
  const {projectDocuments} = JSON.parse(await readFile(join(ROOT, 'typedoc.json'), 'utf8')) as {
    projectDocuments: string[];
  };
  const guides = await readdir(join(ROOT, 'docs/guides'));
  expect([...projectDocuments].sort()).toEqual(guides.map(name => `docs/guides/${name}`).sort());
  expect(await readFile(join(site, 'documents/Routing_and_capacity.html'), 'utf8')).toContain('<math');
});
