// Which backend runs, and what is said where none can.
// SPDX-License-Identifier: Apache-2.0
import {execFile} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {promisify} from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {useBackend} from '../../src/node/index.js';

const SOURCE = new URL('../../src', import.meta.url).href;

describe('useBackend', () => {
  test('auto starts wasm where it is installed', async () => {
    expect(await useBackend('auto')).toBe('wasm');
    expect(tf.getBackend()).toBe('wasm');
  });

  test('a backend can be chosen by name, again and again', async () => {
    for (const name of ['cpu', 'wasm', 'cpu'] as const) {
      expect(await useBackend(name)).toBe(name);
      expect(tf.getBackend()).toBe(name);
    }
  });

  test('an unknown name is refused with the choices', async () => {
    await expect(useBackend('cuda' as 'cpu')).rejects.toThrow(
      'useBackend: name must be one of "auto", "wasm", "cpu", but got "cuda".',
    );
  });
});

// A process in which the resolver says of some packages what Node says of packages that are not installed.
describe('useBackend without its packages', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-use-backend-'));
  });
  afterAll(() => rm(folder, {recursive: true}));

  const useBackendOf = (name: string) =>
    `import('${SOURCE}/node/index.ts').then(({useBackend}) => useBackend('${name}'))`;

  /** What a promise gives, or the error that it is refused with, in a process without these packages. */
  async function outcome(promise: string, absent: string[]): Promise<string> {
    const hooks = join(folder, 'hooks.mjs');
    const entry = join(folder, 'entry.mjs');
    await writeFile(
      hooks,
      `export async function resolve(specifier, context, next) {
        if (${JSON.stringify(absent)}.includes(specifier)) {
          throw Object.assign(new Error("Cannot find package '" + specifier + "'"), {code: 'ERR_MODULE_NOT_FOUND'});
        }
        return next(specifier, context);
      }`,
    );
    await writeFile(
      entry,
      `import {register} from 'node:module';
      register(${JSON.stringify(pathToFileURL(hooks).href)});
      ${promise}.then(console.log, error => console.log(error.name + ': ' + error.message));`,
    );
    const {stdout} = await promisify(execFile)(process.execPath, ['--import', 'tsx', entry]);
    return stdout.trim().split('\n').at(-1)!;
  }

  const WASM = '@tensorflow/tfjs-backend-wasm';
  const CPU = '@tensorflow/tfjs-backend-cpu';

  test('auto falls back to cpu', async () => {
    expect(await outcome(useBackendOf('auto'), [WASM])).toBe('cpu');
  });

  test('a chosen backend that is absent is refused with the command that installs it', async () => {
    expect(await outcome(useBackendOf('wasm'), [WASM])).toBe(
      `ValueError: useBackend: no package for the backend "wasm" is installed. Run: npm install ${WASM}.`,
    );
  });

  test('threads of an absent backend are refused with the command that installs it', async () => {
    const promise = `import('${SOURCE}/wasm/index.ts').then(({enableWasmThreads}) => enableWasmThreads(2))`;
    expect(await outcome(promise, [WASM])).toBe(
      `ValueError: enableWasmThreads: the package of the backend "wasm" is not installed. Run: npm install ${WASM}.`,
    );
  });

  test('auto with no backend at all names both packages', async () => {
    expect(await outcome(useBackendOf('auto'), [WASM, CPU])).toBe(
      `ValueError: useBackend: no package for the backend "auto" is installed. Run: npm install ${WASM} or ${CPU}.`,
    );
  });
});
