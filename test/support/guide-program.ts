// The TypeScript blocks of a guide, run as they stand there.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';

/** The TypeScript blocks of docs/guides/<guide>.md, in their order. */
export async function guideBlocks(guide: string): Promise<string[]> {
  const text = await readFile(`docs/guides/${guide}.md`, 'utf8');
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!);
}

/**
 * Runs blocks as one program, in a folder of its own that is the working directory meanwhile.
 *
 * @param variables An expression of the program's variables, whose value is returned.
 */
export async function runBlocks<T>(blocks: readonly string[], variables: string): Promise<T> {
  const former = process.cwd();
  const folder = await mkdtemp(join(former, 'test', '.guide-'));
  try {
    const file = join(folder, 'program.ts');
    await writeFile(file, `${blocks.join('\n')}\nexport const found = ${variables};\n`);
    process.chdir(folder);
    return (await import(file)).found;
  } finally {
    process.chdir(former);
    await rm(folder, {recursive: true});
  }
}
