// The build of tfjs-node against a wheel: what it refuses, what it takes out of a wheel, and that a failure leaves nothing behind.
// The real build takes minutes and a wheel: TFJS_NODE_WHEEL=<file.whl> npx vitest run test/scripts
// SPDX-License-Identifier: Apache-2.0
import {execFile, spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {delimiter, dirname, join} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {promisify} from 'node:util';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {WHEEL_FILES, WHEEL_NAME, writeWheel, zip} from './fake-wheel.js';

const SCRIPTS = fileURLToPath(new URL('../../scripts/', import.meta.url));
const SCRIPT = join(SCRIPTS, 'tfjs-node-from-wheel.mjs');

/** The parts of the script, which are JavaScript. */
const part = (name: string) => import(pathToFileURL(join(SCRIPTS, 'tfjs-node', name)).href);
type Machine = {platform?: string; arch?: string};
const {parseOptions}: {parseOptions(args: string[], machine?: Machine): Record<string, unknown>} =
  await part('options.mjs');
const wheels: {
  parseWheelName(path: string, machine?: Machine): {name: string; version: string};
  unpack(wheel: string, sources: string[], folder: string): Promise<void>;
} = await part('wheel.mjs');
const symbols: {
  neededSymbols(sources: string[], headers?: string[]): string[];
  checkSymbols(needed: string[], libraries: string[]): Promise<void>;
} = await part('symbols.mjs');
const packages: {
  place(built: string, folder: string): Promise<() => Promise<void>>;
  withoutRemovedFunctions(code: string): string;
} = await part('package.mjs');

/** An addon that calls two functions; the third name is its own, the fourth in a comment. */
const SOURCE = `#include <node_api.h>
#include "tensorflow/c/c_api.h"
class TF_AutoStatus { TF_AutoStatus() { status = TF_NewStatus(); } };
// TF_Gone(status)
void f() { TFE_Execute (op); TF_NewStatus(); }`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-wheel-'));
});
afterEach(() => rm(folder, {recursive: true, force: true}));

async function write(path: string, text = ''): Promise<void> {
  await mkdir(dirname(join(folder, path)), {recursive: true});
  await writeFile(join(folder, path), text);
}

/** Every file below a folder of the test's, with its text. */
async function tree(path: string): Promise<Record<string, string>> {
  const entries = await readdir(join(folder, path), {recursive: true, withFileTypes: true});
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(
      files.sort().map(async file => [file.slice(join(folder, path).length + 1), await readFile(file, 'utf8')]),
    ),
  );
}

describe('the command line', () => {
  test('takes tensorflow-cpu on x64, and tensorflow on arm64 and for the GPU', async () => {
    await write('package.json');
    expect(parseOptions(['--into', folder], {arch: 'x64'})).toMatchObject({
      name: '@tensorflow/tfjs-node',
      package: 'tensorflow-cpu',
      version: '2.21.0',
      project: folder,
    });
    expect(parseOptions(['--into', folder], {arch: 'arm64'}).package).toBe('tensorflow');
    expect(parseOptions(['--into', folder, '--gpu'], {arch: 'x64'})).toMatchObject({
      name: '@tensorflow/tfjs-node-gpu',
      package: 'tensorflow',
    });
  });

  test.each([
    {args: ['--whel', 'x'], words: /Unknown option '--whel'.* See --help/},
    {args: ['--wheel', 'x.whl', '--version', '2.20.0'], words: /leave out --version and --package/},
    {args: ['--package', 'torch'], words: /must be one of: tensorflow-cpu, tensorflow, but got "torch"/},
    {args: ['--gpu', '--package', 'tensorflow-cpu'], words: /--gpu needs --package tensorflow/},
    {args: ['--version', '>2'], words: /--version must be a release of TensorFlow such as 2\.21\.0, but got ">2"/},
    {args: ['--into', '/nowhere'], words: /\/nowhere has none\. In a new folder run: npm init -y/},
    {args: ['--wheel', 'nowhere.whl'], words: /--wheel must be a file, but .*nowhere\.whl is not/},
    {args: ['--headers', '/nowhere'], words: /include\/node\/node_api\.h, but \/nowhere has none/},
  ])('refuses $args', async ({args, words}) => {
    await write('package.json');
    expect(() => parseOptions(['--into', folder, ...args])).toThrow(words);
  });

  test('an error is one line and status 1, help is status 0', async () => {
    const start = promisify(execFile);
    await expect(start(process.execPath, [SCRIPT, '--into', folder])).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^tfjs-node-from-wheel: --into must be a folder with a package\.json.*\n$/),
    });
    const {stdout} = await start(process.execPath, [SCRIPT, '--help']);
    for (const option of ['--wheel', '--version', '--package', '--into', '--gpu', '--headers']) {
      expect(stdout).toContain(`  ${option} `);
    }
  });
});

describe('the wheel', () => {
  test('its name tells package, version and platform', () => {
    const name = 'tensorflow-2.20.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl';
    expect(wheels.parseWheelName(`/some/where/${name}`, {platform: 'linux', arch: 'x64'})).toEqual({
      name: 'tensorflow',
      version: '2.20.0',
    });
    for (const machine of [
      {platform: 'linux', arch: 'arm64'},
      {platform: 'darwin', arch: 'x64'},
    ]) {
      expect(() => wheels.parseWheelName(name, machine)).toThrow(/for the platform manylinux_2_17_x86_64.*, and this/);
    }
    const mac = 'tensorflow-2.20.0-cp312-cp312-macosx_12_0_arm64.whl';
    expect(() => wheels.parseWheelName(mac, {platform: 'linux', arch: 'arm64'})).toThrow(/macosx_12_0_arm64/);
    expect(() => wheels.parseWheelName('numpy-2.0.0-cp311-cp311-manylinux_2_17_x86_64.whl')).toThrow(/of TensorFlow/);
  });

  test('gives the libraries and the headers that are included at any depth, and nothing else', async () => {
    await wheels.unpack(await writeWheel(folder), [SOURCE], join(folder, 'deps'));
    expect(await tree('deps')).toEqual({
      'include/tensorflow/c/c_api.h': WHEEL_FILES['tensorflow/include/tensorflow/c/c_api.h'],
      'include/tsl/c/status.h': WHEEL_FILES['tensorflow/include/tsl/c/status.h'],
      'lib/libtensorflow_cc.so.2': WHEEL_FILES['tensorflow/libtensorflow_cc.so.2'],
      'lib/libtensorflow_framework.so.2': WHEEL_FILES['tensorflow/libtensorflow_framework.so.2'],
    });
  });

  test.each(['tensorflow/libtensorflow_cc.so.2', 'tensorflow/include/tensorflow/c/c_api.h'])(
    'is refused without %s',
    async name => {
      const {[name]: _, ...others} = WHEEL_FILES;
      const wheel = await writeWheel(folder, others);
      await expect(wheels.unpack(wheel, [SOURCE], join(folder, 'deps'))).rejects.toThrow(
        `${WHEEL_NAME} lacks the C API: it has no ${name}.`,
      );
    },
  );

  test('is refused where it is no archive, ends early, or has a byte that was not packed', async () => {
    const wheel = join(folder, WHEEL_NAME);
    const unpack = () => wheels.unpack(wheel, [SOURCE], join(folder, 'deps'));
    const whole = zip(WHEEL_FILES);
    await writeFile(wheel, 'not found');
    await expect(unpack()).rejects.toThrow(/is no wheel/);
    await writeFile(wheel, whole.subarray(0, -30));
    await expect(unpack()).rejects.toThrow(/is no wheel/);
    // "framework" is stored as it is.
    whole.write('F', whole.lastIndexOf('framework.so.2framework') + 'framework.so.2'.length);
    await writeFile(wheel, whole);
    await expect(unpack()).rejects.toThrow(/is damaged/);
  });
});

/** Puts programs of the test's before those of the machine. */
async function fakePrograms(programs: Record<string, string>): Promise<string> {
  for (const [name, text] of Object.entries(programs)) {
    await write(`bin/${name}`, `#!/bin/sh\n${text}\n`);
    await chmod(join(folder, 'bin', name), 0o755);
  }
  return [join(folder, 'bin'), process.env.PATH].join(delimiter);
}

describe('the functions of the C API', () => {
  test('that the addon calls are those outside comments that it does not define', () => {
    expect(symbols.neededSymbols([SOURCE, 'TF_Version();'])).toEqual(['TFE_Execute', 'TF_NewStatus', 'TF_Version']);
  });

  test('whose body stands in a header need no library', () => {
    const header = 'inline int own(); TF_Status* TF_NewStatus(void); static inline void TFE_Execute(int x) {}';
    expect(symbols.neededSymbols([SOURCE], [header])).toEqual(['TF_NewStatus']);
  });

  test('may come from several libraries, and all that are missing are named', async () => {
    const path = process.env.PATH;
    // The last argument is the library: here, the name of what it exports.
    process.env.PATH = await fakePrograms({nm: 'for last; do :; done; echo "0000 T other"; echo "01 T $last"'});
    try {
      await symbols.checkSymbols(['TFE_A', 'TF_B'], ['TF_B@@VERS_1.0', 'TFE_A']);
      await expect(symbols.checkSymbols(['TFE_A', 'TF_B', 'TF_C'], ['TF_B', 'TF_BB'])).rejects.toThrow(
        /lacks 2 of the 3 functions that the addon calls: TFE_A, TF_C\./,
      );
    } finally {
      process.env.PATH = path;
    }
  });
});

describe('the package', () => {
  test('no longer calls what Node 23 removed from util', () => {
    const code = 'if ((0, util_1.isNullOrUndefined)(k) || (0, util_1.isArray)(k)) (0, util_1.isString)(k);';
    expect(packages.withoutRemovedFunctions(code)).toBe(
      'if ((k == null) || Array.isArray(k)) (0, util_1.isString)(k);',
    );
  });

  test('gets both folders or none, and gives back the former ones', async () => {
    await write('package/lib/addon', 'old');
    await write('built/deps/library', 'new');
    const before = await tree('package');
    await expect(packages.place(join(folder, 'built'), join(folder, 'package'))).rejects.toThrow(/ENOENT/); // no lib
    expect(await tree('package')).toEqual(before);

    await write('built/lib/addon', 'new');
    const undo = await packages.place(join(folder, 'built'), join(folder, 'package'));
    expect(await tree('package')).toEqual({'deps/library': 'new', 'lib/addon': 'new'});
    await undo();
    expect(await tree('package')).toEqual(before);
  });
});

/** What the machine has, as far as the script looks before it compiles. */
const TOOLS = {python3: '', 'c++': '', make: '', nm: 'echo "0 T TFE_Execute"; echo "0 T TF_NewStatus"'};
const FAILURES: {what: string; programs: Record<string, string>; words: RegExp}[] = [
  {what: 'no compiler', programs: {'c++': 'exit 127'}, words: /compiling failed \(c\+\+: 127\)/},
  {what: 'a function missing', programs: {nm: 'echo "0 T TF_NewStatus"'}, words: /lacks 1 of the 2 .*: TFE_Execute\./},
  {what: 'an error of the compiler', programs: {npm: 'echo "x.cc:1: error" >&2; exit 2'}, words: /npm: 2\):\nx\.cc:1/},
];

// The script refuses other machines before anything else.
describe.skipIf(process.platform !== 'linux')('a build that does not end', () => {
  let args: string[];
  beforeEach(async () => {
    await write('project/package.json', '{}');
    await write('project/node_modules/@tensorflow/tfjs-node/package.json', '{"version": "4.22.0"}');
    await write('project/node_modules/@tensorflow/tfjs-node/binding.gyp', '{}');
    await write('project/node_modules/@tensorflow/tfjs-node/binding/addon.cc', SOURCE);
    args = [SCRIPT, '--into', join(folder, 'project'), '--wheel', await writeWheel(folder)];
  });

  test.each(FAILURES)('by $what says so and leaves the project as it was', async ({programs, words}) => {
    const before = await tree('project');
    const env = {...process.env, CXX: 'c++', PATH: await fakePrograms({...TOOLS, ...programs})};
    await expect(promisify(execFile)(process.execPath, args, {env})).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(words),
    });
    expect(await tree('project')).toEqual(before);
    expect(await readdir(join(folder, 'project/node_modules'))).toEqual(['@tensorflow']);
  });

  test('since the user stopped it ends its programs and leaves the project as it was', async () => {
    const before = await tree('project');
    const nm = `[ "$1" = --version ] || { echo $$ > ${join(folder, 'running')}; sleep 60; }`;
    const env = {...process.env, CXX: 'c++', PATH: await fakePrograms({...TOOLS, nm})};
    const child = spawn(process.execPath, args, {env});
    const ended = new Promise(resolve => child.once('close', resolve));
    await expect.poll(() => existsSync(join(folder, 'running')), {timeout: 30_000}).toBe(true);
    child.kill('SIGTERM');
    expect(await ended).toBe(1);
    expect(await tree('project')).toEqual(before);
    expect(await readdir(join(folder, 'project/node_modules'))).toEqual(['@tensorflow']);
  });
});

/** Trains a model, saves it, loads it, and prints what a test can check. */
const PROGRAM = `
const tf = require('@tensorflow/tfjs-node');
(async () => {
  const x = tf.randomNormal([200, 8, 8, 1], 0, 1, 'float32', 7);
  const y = tf.oneHot(tf.cast(tf.greater(tf.mean(x, [1, 2, 3]), 0), 'int32'), 2);
  const model = tf.sequential({layers: [
    tf.layers.conv2d({inputShape: [8, 8, 1], filters: 4, kernelSize: 3, activation: 'relu'}),
    tf.layers.flatten(),
    tf.layers.dense({units: 2, activation: 'softmax'}),
  ]});
  model.compile({optimizer: tf.train.adam(.01), loss: 'categoricalCrossentropy'});
  const {history} = await model.fit(x, y, {epochs: 10, verbose: 0});
  await model.save('file://' + process.cwd() + '/model');
  const loaded = await tf.loadLayersModel('file://' + process.cwd() + '/model/model.json');
  const difference = tf.max(tf.abs(tf.sub(model.predict(x), loaded.predict(x)))).dataSync()[0];
  console.log(JSON.stringify({losses: history.loss, difference, backend: tf.getBackend()}));
})();`;

test('the package that is built against TFJS_NODE_WHEEL trains, saves and loads', {timeout: 900_000}, async ({
  skip,
}) => {
  const wheel = process.env.TFJS_NODE_WHEEL;
  if (!wheel)
    return skip('TFJS_NODE_WHEEL names no wheel of TensorFlow; docs/guides/tfjs-node.md tells where to get one');
  const start = promisify(execFile);
  await write('package.json', '{"private": true}');
  const args = [SCRIPT, '--wheel', wheel, '--into', folder];
  await start(process.execPath, args);
  expect(await readdir(folder)).toEqual(['node_modules', 'package.json']); // no lock file
  expect(await readFile(join(folder, 'package.json'), 'utf8')).toBe('{"private": true}');
  expect((await start(process.execPath, args)).stdout).toMatch(/^[^\n]* is built already and computes with .*\n$/);
  const {stdout} = await start(process.execPath, ['-e', PROGRAM], {cwd: folder});
  const {losses, difference, backend} = JSON.parse(stdout);
  expect(backend).toBe('tensorflow');
  expect(losses.at(-1)).toBeLessThan(0.7 * losses[0]);
  expect(difference).toBe(0);
});
