// Threads of the wasm backend. Each scenario in a process of its own: a backend starts with threads or without.
// SPDX-License-Identifier: Apache-2.0
import {spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {describe, expect, test} from 'vitest';
import {ValueError} from '../../src/errors.js';
import {enableWasmThreads} from '../../src/wasm/index.js';

/** Sums of some hundred float32, added in another order. */
const ROUNDING = 1e-5;
/** Milliseconds; a process that its threads keep alive never ends. */
const PROMPT = 3000;

const STARTED =
  'ValueError: enableWasmThreads: it must be called before tf.setBackend("wasm"), but the backend has been started.';
const ONE = {threads: 1, notice: 'one thread was asked for'};

/** Runs a scenario of threads-child.ts: what it printed as JSON, what it wrote to stderr, and how it ended. */
async function run(...args: string[]) {
  const script = fileURLToPath(new URL('./threads-child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {timeout: 50_000, killSignal: 'SIGKILL'});
  const output = {stdout: '', stderr: ''};
  let printed = Number.NaN;
  child.stdout.on('data', text => {
    output.stdout += text;
    printed = performance.now();
  });
  child.stderr.on('data', text => {
    output.stderr += text;
  });
  const code = await new Promise(resolve => child.once('close', resolve));
  expect({code, stderr: output.stderr.slice(0, 2000)}).toEqual({code: 0, stderr: ''});
  expect(performance.now() - printed).toBeLessThan(PROMPT);
  return JSON.parse(output.stdout);
}

/** Two records of lists of numbers, entry by entry, relative to the larger of 1 and the number. */
function expectAlike(actual: Record<string, number[]>, expected: Record<string, number[]>): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected)) {
    expect(actual[name]).toHaveLength(values.length);
    const isOff = (value: number, i: number) =>
      !(Math.abs(actual[name]![i]! - value) <= ROUNDING * Math.max(1, Math.abs(value)));
    expect(values.findIndex(isOff), name).toBe(-1);
  }
}

describe('threads', () => {
  test('products, convolutions and losses are those of one thread, also once the memory has grown', async () => {
    const [one, two] = await Promise.all([run('results', '1', 'stock'), run('results', '2', 'stock')]);
    const [ownOne, ownThree] = await Promise.all([run('results', '1', 'own'), run('results', '3', 'own')]);
    const sides = [one, two, ownOne, ownThree];
    expect(sides.map(({enabled}) => enabled)).toEqual([ONE, {threads: 2}, ONE, {threads: 3}]);
    expect(sides.map(({threads}) => threads)).toEqual([1, 2, 1, 3]);
    expect(sides.map(({numWorkers}) => numWorkers)).toEqual([1, 2, 1, 3]);
    expect(Math.min(...sides.map(({growth}) => growth))).toBeGreaterThan(0);
    for (const side of sides) {
      expect(side.end).toBe(3);
      for (const when of ['first', 'grown', 'unregistered']) expectAlike(side[when], one.first);
    }
  });

  test.each([
    ['in a process of its own', []],
    ['in a thread of another program', ['in a thread']],
  ])('the last call counts, and a start changes nothing else of the process: %s', async (_, where) => {
    expect(await run(...where, 'start')).toEqual({
      enabled: [{threads: 3}, {threads: 2}],
      threads: 2,
      isSameOnceEnabled: true,
      isSameWhileItStarts: true,
      isSameOnceStarted: true,
      flag: null,
      whileItStarts: STARTED,
      onceStarted: STARTED,
    });
  });

  test('one thread takes back what was asked for before', async () => {
    expect(await run('take back')).toEqual({isOurs: true, enabled: ONE, isStock: true, threads: 1, product: 70});
  });

  test('a backend that is removed takes its threads along, and starts with threads again', async () => {
    const {seen, moreThreads, removed} = await run('again');
    expect(seen).toEqual(new Array(6).fill([2, 2, 70]));
    expect(moreThreads).toBeLessThanOrEqual(0);
    expect(removed).toBe('ValueError: enableWasmThreads: the backend "wasm" must be registered, but it was removed.');
  });

  test.each(['compile', 'thread'])('a start that fails is said, and the backend runs on one thread: %s', async what => {
    expect(await run('failing start', what)).toEqual({
      enabled: {threads: 2},
      hasStarted: true,
      warnings: [
        'tfjs-moe/wasm: the wasm backend computes on one thread: the threaded build did not start (on purpose).',
      ],
      threads: 1,
      product: 70,
      isSame: true,
    });
  });

  test.each([0, -1, 1.5, Number.NaN, '2', 65])('a count of %j is refused', async count => {
    await expect(enableWasmThreads(count as number)).rejects.toThrow(ValueError);
    await expect(enableWasmThreads(count as number)).rejects.toThrow(
      'enableWasmThreads: count must be a whole number from 1 to 64, but got ',
    );
  });

  test('where there is no Node it is said that the browser decides', async () => {
    const notice =
      'outside Node the browser decides, and tfjs uses threads where the page is served with the headers ' +
      'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
    const {enabled, warnings} = await run('outside Node');
    expect(enabled).toEqual([
      {threads: 1, notice},
      {threads: 1, notice},
    ]);
    // Only who asked for more is told.
    expect(warnings).toEqual([`tfjs-moe/wasm: the wasm backend computes on one thread: ${notice}.`]);
  });

  test('where tfjs starts threads by itself nobody is told that there is only one', async () => {
    const notice = 'outside Node our kernels compute on one; tfjs starts threads of its own by itself';
    expect(await run('outside Node', 'isolated')).toEqual({
      enabled: [
        {threads: 1, notice},
        {threads: 1, notice},
      ],
      warnings: [],
    });
  });
});
