// Which test files a row runs: those with suites over backends, found by what they say and what they import.
// SPDX-License-Identifier: Apache-2.0
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import type {RowProject} from './rows.js';

const OVER_BACKENDS = /\beachBackend\w*\(/;
/** What a module loads as it starts. An `import type` loads nothing. */
const IMPORTED = /^(?:import|export)(?! type\b)[^'";]*?from '([^']+)'|^import '([^']+)'/gm;
/** A package, or an entry point, that no browser can load. */
const ONLY_IN_NODE = /^(node:.*|tfjs-moe\/node|@tensorflow\/tfjs-node|playwright-core)$/;

/** Paths of test files, seen from the root of the project. */
export function suitesOf(root: string, place: RowProject['place']): string[] {
  const names = readdirSync(join(root, 'test'), {recursive: true, encoding: 'utf8'}).map(name => `test/${name}`);
  const needsNode = createNodeCheck(root);
  return names
    .filter(name => name.endsWith('.test.ts') && !/^test\/(package|site)\//.test(name))
    .filter(name => OVER_BACKENDS.test(readFileSync(join(root, name), 'utf8')))
    .filter(name => place === 'node' || !needsNode(join(root, name)))
    .sort();
}

/** Tells of a source file whether it, or one that it imports, loads what only Node has. */
function createNodeCheck(root: string): (path: string) => boolean {
  const known = new Map<string, boolean>();
  const needsNode = (path: string): boolean => {
    if (!known.has(path)) {
      known.set(path, false); // ends a circle of imports; the lint lets none of them into src
      known.set(
        path,
        importsOf(path).some(name => ONLY_IN_NODE.test(name) || isNodeFile(path, name)),
      );
    }
    return known.get(path)!;
  };
  const isNodeFile = (path: string, name: string) => {
    const file = name.startsWith('.') ? join(dirname(path), name.replace(/\.js$/, '.ts')) : entryOf(root, name);
    return file !== undefined && existsSync(file) && needsNode(file);
  };
  return needsNode;
}

function importsOf(path: string): string[] {
  return [...readFileSync(path, 'utf8').matchAll(IMPORTED)].map(([, from, alone]) => (from ?? alone)!);
}

/** The source of an entry point of this package. */
function entryOf(root: string, name: string): string | undefined {
  const [, entry = ''] = /^tfjs-moe(?:\/(\w+))?$/.exec(name) ?? [];
  return name.startsWith('tfjs-moe') ? join(root, 'src', entry, 'index.ts') : undefined;
}
