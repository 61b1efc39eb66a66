// The way of a new user: an empty folder, the README's install line, the README's program.
// SPDX-License-Identifier: Apache-2.0
import {copyFile, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect, inject, test} from 'vitest';
import {runCommand} from './run-command.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SEED = 'seed-random.mjs';

const readReadme = () => readFile(join(ROOT, 'README.md'), 'utf8');

test("the README's install line names what the installation for these tests has", async () => {
  const [, names] = /^npm install (tfjs-moe .*)$/m.exec(await readReadme())!;
  const {dependencies} = JSON.parse(await readFile(join(inject('modular'), 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  expect(names!.split(' ').sort()).toEqual(Object.keys(dependencies).sort());
});

test("the README's first program type-checks and trains where nothing else is installed", {
  timeout: 300_000,
}, async () => {
  const folder = inject('modular');
  const program = /```ts\n([\s\S]*?)```/.exec(await readReadme())![1]!;
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2022', 'dom'],
    types: [],
    strict: true,
    skipLibCheck: true, // as the README says
  };
  await writeFile(join(folder, 'first-steps.ts'), program);
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({compilerOptions, files: ['first-steps.ts']}));
  // No compiler is installed there; Node 20 does not read TypeScript.
  await runCommand(folder, process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '--project', '.']);
  expect(await readdir(folder)).toContain('first-steps.js');

  await copyFile(fileURLToPath(new URL(`fixtures/${SEED}`, import.meta.url)), join(folder, SEED));
  const output = await runCommand(folder, process.execPath, ['--import', `./${SEED}`, 'first-steps.js']);
  const [, error] = /mean squared error ([\d.]+); 0.333 is that of the best linear model/.exec(output)!;
  // Six other seeds gave .018 to .033.
  expect(Number(error)).toBeLessThan(0.15);
});
