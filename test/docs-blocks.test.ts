// No block of code in the README, the guides or an @example goes unrun: what a test runs is found in the tests' own text.
// SPDX-License-Identifier: Apache-2.0
import {readdirSync, readFileSync} from 'node:fs';
import {expect, test} from 'vitest';
import {readExamples} from './support/examples.js';
import {guideBlocks} from './support/guide-program.js';

const guides = readdirSync('docs/guides').map(name => name.replace('.md', ''));
const tests = readdirSync('test')
  .filter(name => /^guides.*\.test\.ts$/.test(name))
  .map(name => readFileSync(`test/${name}`, 'utf8'))
  .join('\n');

/** The places of a guide's blocks that a test runs: by its number, `run('guide', 1, '{...}')`, or all of a number that it checks. */
function placesRun(guide: string): Set<number> {
  const byNumber = [...tests.matchAll(new RegExp(`\\('${guide}',\\s*(\\d+),\\s*['"{]|'${guide}',\\n\\s*(\\d+),`, 'g'))];
  const places = new Set(byNumber.map(([, inLine, below]) => Number(inLine ?? below)));
  const checked = `guideBlocks\\('${guide}'\\);\\s*expect\\(blocks(?:\\.length\\)\\.toBe|\\)\\.toHaveLength)\\((\\d+)\\)`;
  const [, count = '0'] = new RegExp(checked).exec(tests) ?? [];
  for (let i = 0; i < Number(count); ++i) places.add(i);
  return places;
}

test.each(guides)('every program of the guide %s is run by a test, and there are no others', async guide => {
  const blocks = await guideBlocks(guide);
  expect([...placesRun(guide)].sort((a, b) => a - b)).toEqual(blocks.map((_, i) => i));
});

test('the README has as many programs as its test runs', () => {
  const blocks = readFileSync('README.md', 'utf8').match(/^```ts$/gm)!;
  expect(readFileSync('test/readme.test.ts', 'utf8')).toContain(`expect(blocks.length).toBe(${blocks.length});`);
});

test('every @example of the sources is among those that docs-examples.test.ts and guides-sparse.test.ts run', () => {
  const files = readdirSync('src', {recursive: true, encoding: 'utf8'}).filter(path => path.endsWith('.ts'));
  const tags = files.flatMap(path => readFileSync(`src/${path}`, 'utf8').match(/@example\b/g) ?? []);
  const examples = readExamples();
  expect(examples.length).toBe(tags.length);
  expect(examples.filter(({code}) => code.length < 10)).toEqual([]);
});

/** Pages with a scrap of JavaScript that needs a page or a native addon, and is read and not run. */
const WITH_SCRAPS = ['backends-and-memory', 'saving-and-loading', 'tfjs-node'].map(guide => `docs/guides/${guide}.md`);

test('code in the guides and the README is called ts, sh, text or json, and none else', () => {
  const pages = ['README.md', 'examples/README.md', ...guides.map(guide => `docs/guides/${guide}.md`)];
  for (const page of pages) {
    const fences = readFileSync(page, 'utf8').match(/^ *```.*$/gm) ?? [];
    expect(fences.length % 2, page).toBe(0);
    const names = fences.filter((_, i) => i % 2 === 0).map(fence => fence.trim().slice(3));
    const known = ['ts', 'sh', 'text', 'json', ...(WITH_SCRAPS.includes(page) ? ['js'] : [])];
    const others = names.filter(name => !known.includes(name));
    expect(others, page).toEqual([]);
  }
});
