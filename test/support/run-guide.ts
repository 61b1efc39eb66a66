// Runs a program of a guide as it stands there.
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';

/** Where the programs are written for a moment: within test, so that they find the packages. */
const FOLDER = join(import.meta.dirname, '..');

/** How many programs a guide has. */
export async function countPrograms(guide: string): Promise<number> {
  return (await programsOf(guide)).length;
}

/** Runs the n-th program of a guide, with a line that gives away some of its variables. */
export async function runGuide<T>(guide: string, n: number, variables: string): Promise<T> {
  const program = (await programsOf(guide))[n]!;
  const folder = await mkdtemp(join(FOLDER, '.guide-'));
  try {
    const file = join(folder, 'program.ts');
    await writeFile(file, `${program}\nexport const found = ${variables};\n`);
    return (await import(file)).found;
  } finally {
    await rm(folder, {recursive: true});
  }
}

async function programsOf(guide: string): Promise<string[]> {
  const text = await readFile(`docs/guides/${guide}.md`, 'utf8');
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!);
}
