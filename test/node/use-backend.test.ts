// Which backend runs, and what is said where none can.
// SPDX-License-Identifier: Apache-2.0
import {execFile} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {promisify} from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {useBackend} from '../../src/node/index.js';
import {SOFTWARE_DRIVER, WHY_NO_DRIVER} from '../support/software-driver.js';

const SOURCE = new URL('../../src', import.meta.url).href;

const CORE = pathToFileURL(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core')).href;

const BACKENDS = ['node-gpu', 'node', 'webgpu', 'wasm', 'cpu'] as const;

describe('useBackend', () => {
  test('auto starts the first that works, and says why not those before it', async () => {
    const lines: string[] = [];
    const name = await useBackend('auto', {report: line => lines.push(line)});
    expect(BACKENDS.slice(0, 4)).toContain(name); // wasm is installed
    const before = BACKENDS.slice(0, BACKENDS.indexOf(name));
    const reasons = before.map(other => `${other} \\([^)]+(\\([^)]*\\))?\\)`).join(', ');
    expect(lines.join('\n')).toMatch(before.length > 0 ? new RegExp(`^backend ${name}; not ${reasons}$`) : /^$/);
  });

  test('a backend can be chosen by name, again and again', async () => {
    for (const name of ['cpu', 'wasm', 'cpu'] as const) {
      expect(await useBackend(name)).toBe(name);
      expect(tf.getBackend()).toBe(name);
    }
  });

  test('what is no function is refused as a report', async () => {
    await expect(useBackend('cpu', {report: 'aloud' as never})).rejects.toThrow(
      'useBackend: report must be a function, but got "aloud".',
    );
  });

  test('an unknown name is refused with the choices', async () => {
    await expect(useBackend('cuda' as 'cpu')).rejects.toThrow(
      'useBackend: name must be one of "auto", "node-gpu", "node", "webgpu", "wasm", "cpu", but got "cuda".',
    );
  });
});

// A process in which the resolver says of some packages what Node says of packages that are not installed.
describe('useBackend in a process', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-use-backend-'));
  });
  afterAll(() => rm(folder, {recursive: true}));

  const useBackendOf = (name: string) =>
    `import('${SOURCE}/node/index.ts').then(({useBackend}) => useBackend('${name}', {report: console.log}))`;

  /**
   * What is printed, and what a promise gives or the error that it is refused with, in a process without these packages.
   *
   * @param modules Sources in the place of packages.
   */
  async function outcome(
    promise: string,
    absent: readonly string[],
    {modules = {}, env = {}}: {modules?: Record<string, string>; env?: Record<string, string>} = {},
  ): Promise<string[]> {
    const hooks = join(folder, 'hooks.mjs');
    const entry = join(folder, 'entry.mjs');
    const fakes = Object.fromEntries(
      Object.entries(modules).map(([name, source], i) => [name, {path: join(folder, `fake-${i}.mjs`), source}]),
    );
    for (const {path, source} of Object.values(fakes)) await writeFile(path, source);
    const urls = Object.fromEntries(Object.entries(fakes).map(([name, {path}]) => [name, pathToFileURL(path).href]));
    await writeFile(
      hooks,
      `const urls = ${JSON.stringify(urls)};
      export async function resolve(specifier, context, next) {
        if (${JSON.stringify(absent)}.includes(specifier)) {
          throw Object.assign(new Error("Cannot find package '" + specifier + "'"), {code: 'ERR_MODULE_NOT_FOUND'});
        }
        if (urls[specifier]) return {url: urls[specifier], shortCircuit: true};
        // What a fake imports is what the library does.
        const parentURL = Object.values(urls).includes(context.parentURL) ? '${SOURCE}/index.ts' : context.parentURL;
        return next(specifier, {...context, parentURL});
      }`,
    );
    await writeFile(
      entry,
      `import {register} from 'node:module';
      register(${JSON.stringify(pathToFileURL(hooks).href)});
      ${promise}.then(console.log, error => console.log(error.name + ': ' + error.message));`,
    );
    const {stdout} = await promisify(execFile)(process.execPath, ['--import', 'tsx', entry], {
      env: {...process.env, ...env},
      timeout: 50_000,
    });
    return stdout.trim().split('\n');
  }

  const WASM = '@tensorflow/tfjs-backend-wasm';
  const CPU = '@tensorflow/tfjs-backend-cpu';

  const NODE = '@tensorflow/tfjs-node';
  const NODE_GPU = '@tensorflow/tfjs-node-gpu';
  const ABSENT = [NODE, NODE_GPU, 'webgpu'];
  const MISSING = `node-gpu (not installed; npm install ${NODE_GPU}), node (not installed; npm install ${NODE})`;

  test('auto falls back to cpu', async () => {
    expect((await outcome(useBackendOf('auto'), [...ABSENT, WASM])).at(-1)).toBe('cpu');
  });

  /** A package that registers the kernels of cpu under the name of tfjs-node's backend. */
  const native = (isUsingGpuDevice: boolean) => `
    import * as tf from '@tensorflow/tfjs-core';
    import {MathBackendCPU} from '@tensorflow/tfjs-backend-cpu';
    import util from 'node:util';
    if (!util.isNullOrUndefined(null) || util.isNullOrUndefined(0)) throw new Error('Node 23 has it no longer.');
    tf.registerBackend('tensorflow', () => Object.assign(new MathBackendCPU(), {isUsingGpuDevice: ${isUsingGpuDevice}}));
    tf.copyRegisteredKernels('cpu', 'tensorflow');`;

  test('auto prefers tfjs-node-gpu, then tfjs-node, to all others', async () => {
    const both = {modules: {[NODE_GPU]: native(true), [NODE]: native(false)}};
    expect(await outcome(useBackendOf('auto'), [], both)).toEqual(['node-gpu']);
    const printed = await outcome(useBackendOf('auto'), [NODE_GPU], {modules: {[NODE]: native(false)}});
    expect(printed).toEqual(['backend node; not node-gpu (not installed)', 'node']);
  });

  test('auto takes tfjs-node-gpu only with a device; who names it gets it as it is', async () => {
    const modules = {[NODE_GPU]: native(false)};
    const printed = await outcome(useBackendOf('auto'), [NODE, 'webgpu'], {modules});
    expect(printed.at(-1)).toBe('wasm');
    expect(printed[0]).toMatch(/^backend wasm; not node-gpu \(it found no CUDA device\), node \(not installed\)/);
    expect(await outcome(useBackendOf('node-gpu'), [], {modules})).toEqual(['node-gpu']);
  });

  test('a native library that cannot be loaded is a reason, in its own words', async () => {
    const modules = {[NODE]: `throw new Error('The addon can not be found at tfjs_binding.node.\\nMore lines.');`};
    const printed = await outcome(useBackendOf('auto'), [NODE_GPU, 'webgpu'], {modules});
    expect(printed[0]).toContain('node (The addon can not be found at tfjs_binding.node.)');
    expect(await outcome(useBackendOf('node'), [], {modules})).toEqual([
      'ValueError: useBackend: the backend "node" cannot be used: The addon can not be found at tfjs_binding.node..',
    ]);
  });

  test('a backend whose products are wrong is not taken', async () => {
    const modules = {
      [NODE]: `${native(false)}
      tf.unregisterKernel('BatchMatMul', 'tensorflow');
      tf.registerKernel({
        kernelName: 'BatchMatMul',
        backendName: 'tensorflow',
        kernelFunc: ({inputs, backend}) => backend.makeTensorInfo([1, 40, 40], 'float32', new Float32Array(1600)),
      });`,
    };
    expect(await outcome(useBackendOf('node'), [], {modules})).toEqual([
      'ValueError: useBackend: the backend "node" cannot be used: it computes wrong products.',
    ]);
  });

  test('what a package that runs refuses is told, not passed over', async () => {
    const promise = `import('${SOURCE}/node/index.ts').then(({useBackend}) => useBackend('auto', {threads: 65}))`;
    expect((await outcome(promise, ABSENT)).at(-1)).toMatch(/^ValueError: enableWasmThreads: .*65/);
  });

  test('a chosen backend that is absent is refused with the command that installs it', async () => {
    expect(await outcome(useBackendOf('wasm'), [WASM])).toEqual([
      `ValueError: useBackend: the backend "wasm" cannot be used: not installed; npm install ${WASM}.`,
    ]);
  });

  test('threads of an absent backend are refused with the command that installs it', async () => {
    const promise = `import('${SOURCE}/wasm/index.ts').then(({enableWasmThreads}) => enableWasmThreads(2))`;
    expect(await outcome(promise, [WASM])).toEqual([
      `ValueError: enableWasmThreads: the package of the backend "wasm" is not installed. Run: npm install ${WASM}.`,
    ]);
  });

  test('auto with no backend at all names all packages', async () => {
    const printed = await outcome(useBackendOf('auto'), [...ABSENT, WASM, CPU]);
    expect(printed).toHaveLength(1);
    expect(printed[0]).toMatch(/^ValueError: useBackend: there is no backend that works: not node-gpu \(/);
    expect(printed[0]).toContain(MISSING);
    expect(printed[0]).toContain(`wasm (not installed; npm install ${WASM}), cpu (not installed; npm install ${CPU}).`);
  });

  test.skipIf(SOFTWARE_DRIVER === undefined)(
    `webgpu runs in Node, with products that suit a software adapter, and the process ends by itself${WHY_NO_DRIVER}`,
    async () => {
      const env = {VK_ICD_FILENAMES: SOFTWARE_DRIVER!};
      const tiled = `${useBackendOf('webgpu')}.then(async name => {
        const {env} = await import('${CORE}');
        return name + ', products by program ' + env().get('WEBGPU_MATMUL_PROGRAM_TYPE');
      })`;
      expect(await outcome(tiled, [], {env})).toEqual(['webgpu, products by program 3']);
      const imported = `import('@tensorflow/tfjs-backend-webgpu').then(() => ${useBackendOf('webgpu')})`;
      const early = {env, modules: {early: "import '@tensorflow/tfjs-backend-webgpu';"}};
      expect((await outcome(imported.replace('@tensorflow/tfjs-backend-webgpu', 'early'), [], early)).at(-1)).toBe(
        'ValueError: useBackend: the backend "webgpu" cannot be used: @tensorflow/tfjs-backend-webgpu was imported before useBackend was called, ' +
          'when there was no WebGPU: import it no longer.',
      );
    },
  );

  test('webgpu without an adapter says what it lacks', async () => {
    const modules = {
      webgpu: 'export const globals = {}; export const create = () => ({requestAdapter: async () => null});',
    };
    expect((await outcome(useBackendOf('webgpu'), [], {modules})).at(-1)).toMatch(
      /cannot be used: there is no adapter\. On Linux it needs the Vulkan loader/,
    );
  });
});
