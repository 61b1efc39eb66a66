// The README's program is run as it stands there.
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {seeded} from 'tfjs-moe';
import {expect, test, vi} from 'vitest';

test('the program of the README runs, and learns what no linear model can', async () => {
  const readme = await readFile('README.md', 'utf8');
  const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!);
  expect(blocks.length).toBe(1);
  const folder = await mkdtemp(join(import.meta.dirname, '.readme-'));
  // tfjs takes its own randomness, for data and shuffles, from here.
  const noise = seeded(1);
  const random = vi.spyOn(Math, 'random').mockImplementation(() => noise.uniform(1)[0]!);
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    const file = join(folder, 'program.ts');
    await writeFile(file, blocks[0]!);
    await import(file);
    // Six other seeds gave .018 to .033.
    const [, error] = /^mean squared error ([\d.]+); 0.333 is/.exec(String(log.mock.lastCall?.[0]))!;
    expect(Number(error)).toBeLessThan(0.15);
  } finally {
    random.mockRestore();
    log.mockRestore();
    await rm(folder, {recursive: true});
  }
});
