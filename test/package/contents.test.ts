// What is in the tarball: the built library, its command, and nothing else.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {describe, expect, inject, test} from 'vitest';
import {runCommand} from './run-command.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const installed = () => join(inject('modular'), 'node_modules/tfjs-moe');
const paths = () => inject('packedFiles').map(({path}) => path);
const isCommand = (path: string) => path.startsWith('dist/bin/');
const isLibrary = (path: string) => path.startsWith('dist/') && !isCommand(path);

/** Bytes. The library's largest file holds the wasm binary, 87 kB; the command's holds Vega, 1.07 MB; all files together have 4.9 MB. */
const LIMITS = {library: 100_000, command: 1_200_000, all: 5_500_000};

describe('the tarball', () => {
  test('holds what users need and nothing else', () => {
    const outside = paths().filter(path => !path.startsWith('dist/'));
    expect(outside.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
    const kinds = /\.(js|js\.map|d\.ts)$|^dist\/bin\/THIRD-PARTY-LICENSES\.txt$/;
    expect(paths().filter(path => path.startsWith('dist/') && !kinds.test(path))).toEqual([]);
  });

  test('holds of the library what src holds now: no file without its source', () => {
    const library = paths().filter(isLibrary);
    expect(library.length).toBeGreaterThan(100);
    const source = (path: string) => path.replace(/^dist\//, 'src/').replace(/(\.js|\.js\.map|\.d\.ts)$/, '.ts');
    expect(library.filter(path => !existsSync(join(ROOT, source(path))))).toEqual([]);
  });

  test('has a module and its types for every entry point', async () => {
    const {exports, types, bin} = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
      exports: Record<string, string>;
      types: string;
      bin: Record<string, string>;
    };
    const named = Object.values(exports).filter(path => path.endsWith('.js'));
    const wanted = [...named, ...named.map(path => path.replace(/\.js$/, '.d.ts')), types, ...Object.values(bin)];
    expect(named.length).toBeGreaterThan(1);
    expect(wanted.filter(path => !paths().includes(path.replace('./', '')))).toEqual([]);
  });

  test('has maps that tell the whole source and point at no file outside the package', async () => {
    const maps = paths().filter(path => path.endsWith('.map'));
    expect(maps.filter(isCommand)).toEqual([]);
    for (const path of maps) {
      const map = JSON.parse(await readFile(join(installed(), path), 'utf8')) as {
        sourceRoot?: string;
        sources: string[];
        sourcesContent: (string | null)[];
      };
      for (const source of map.sources) {
        const target = relative('/package', join('/package', dirname(path), map.sourceRoot ?? '', source));
        expect(target, path).toMatch(/^src\//);
      }
      expect(map.sourcesContent, path).toHaveLength(map.sources.length);
      expect(map.sourcesContent.every(content => typeof content === 'string')).toBe(true);
    }
    // The library's modules name their maps, which lie beside them.
    for (const path of paths().filter(path => isLibrary(path) && path.endsWith('.js'))) {
      const map = /\/\/# sourceMappingURL=(.*)\s*$/.exec(await readFile(join(installed(), path), 'utf8'))?.[1];
      if (map !== undefined) expect(maps, path).toContain(`${dirname(path)}/${map}`);
    }
  });

  test('has no file over its limit', () => {
    const limit = ({path}: {path: string}) => (isCommand(path) ? LIMITS.command : LIMITS.library);
    expect(inject('packedFiles').filter(file => file.size > limit(file))).toEqual([]);
    expect(inject('packedFiles').reduce((sum, {size}) => sum + size, 0)).toBeLessThan(LIMITS.all);
  });

  test('is clean by publint', async () => {
    await runCommand(ROOT, 'npx', ['publint', inject('tarball'), '--strict']);
  });

  test('has types that every module resolution for ES modules finds', async () => {
    await runCommand(ROOT, 'npx', ['attw', inject('tarball'), '--profile', 'esm-only']);
  });

  test('names no path of the machine that built it', async () => {
    for (const path of paths()) {
      expect((await readFile(join(installed(), path), 'utf8')).includes(ROOT), path).toBe(false);
    }
  });

  test('hands on the licences of the packages inside the command', async () => {
    const licences = await readFile(join(installed(), 'dist/bin/THIRD-PARTY-LICENSES.txt'), 'utf8');
    for (const name of ['commander', 'cli-progress', 'vega', 'vega-lite', 'd3-scale']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
    }
  });
});
