// The threads that the functions of our binary are divided over.
// SPDX-License-Identifier: Apache-2.0
import {Worker} from 'node:worker_threads';
import asc from 'assemblyscript/asc';
import {afterEach, beforeAll, describe, expect, test} from 'vitest';
import {
  startThreadPool,
  type ThreadPool,
  type ThreadPoolParts,
  threadPoolOf,
} from '../../src/wasm/threads/thread-pool.js';

/** Functions that say who did what; the last three arguments of each are those that the pool adds. */
const SOURCE = `
// counts[i] += 1 and workers[i] = worker, int32.
export function mark(counts: usize, workers: usize, begin: i32, end: i32, worker: i32): void {
  for (let i = begin; i < end; ++i) {
    atomic.add<i32>(counts + ((<usize>i) << 2), 1);
    store<i32>(workers + ((<usize>i) << 2), worker);
  }
}
// Of two threads, holds each until the other has taken a part too.
function meet(met: usize, worker: i32): void {
  atomic.or<i32>(met, 1 << worker);
  while (atomic.load<i32>(met) !== 3) {}
}
export function markTogether(counts: usize, workers: usize, met: usize, begin: i32, end: i32, worker: i32): void {
  meet(met, worker);
  mark(counts, workers, begin, end, worker);
}
export function failElsewhere(met: usize, begin: i32, end: i32, worker: i32): void {
  meet(met, worker);
  if (worker) unreachable();
}
export function fallSilentElsewhere(met: usize, begin: i32, end: i32, worker: i32): void {
  meet(met, worker);
  while (worker) {}
}
export function failHere(met: usize, begin: i32, end: i32, worker: i32): void {
  meet(met, worker);
  if (!worker) unreachable();
}
// The engine compares the bounds of a fill with the size that the thread knows of.
export function fillTogether(to: usize, value: i32, met: usize, begin: i32, end: i32, worker: i32): void {
  meet(met, worker);
  memory.fill(to + <usize>begin, <u8>value, <usize>(end - begin));
}
export function keep(to: usize, address: usize, scale: f32, begin: i32, end: i32, worker: i32): void {
  for (let i = begin; i < end; ++i) {
    store<u32>(to + ((<usize>i) << 3), <u32>address);
    store<f32>(to + ((<usize>i) << 3), scale, 4);
  }
}`;

const PAGE = 65_536;
const COUNTS = 0;
const WORKERS = 4 * PAGE;
const MET = 8 * PAGE;
const TO = 9 * PAGE;

describe('the thread pool', () => {
  let module: WebAssembly.Module;
  let memory: WebAssembly.Memory;
  let work: Record<string, (...args: number[]) => void>;
  let pool: ThreadPool;
  let threads: Worker[];

  beforeAll(async () => {
    const {binary, error} = await asc.compileString(SOURCE, {
      runtime: 'stub',
      importMemory: true,
      sharedMemory: true,
      maximumMemory: 65_536,
      noExportMemory: true,
      enable: ['threads'],
    });
    if (error) throw error;
    module = new WebAssembly.Module(binary! as BufferSource);
  });
  afterEach(() => pool.close());

  const startPool = (numThreads: number, options: Partial<ThreadPoolParts> = {}) => {
    memory = new WebAssembly.Memory({initial: 16, maximum: 65_536, shared: true});
    work = new WebAssembly.Instance(module, {env: {memory}}).exports as typeof work;
    threads = [];
    const start = (program: string, workerData: object) => {
      const thread = new Worker(program, {eval: true, execArgv: [], workerData});
      threads.push(thread);
      return thread;
    };
    pool = startThreadPool({start, module, memory, numThreads, ...options});
  };
  const run = (name: string, args: number[], total: number, minimum = 1) =>
    pool.run(name, work[name]!, args, total, minimum);
  const words = (address: number, length: number) => new Int32Array(memory.buffer, address, length);
  /** Until every thread has taken part once. */
  const allReady = async () => {
    const seen = new Set<number>();
    while (seen.size < threads.length) {
      await new Promise(resolve => setTimeout(resolve, 1));
      words(WORKERS, 1000).fill(0);
      if (run('mark', [COUNTS, WORKERS], 1000)) for (const worker of words(WORKERS, 1000)) if (worker) seen.add(worker);
    }
    words(COUNTS, 2 * PAGE).fill(0);
  };

  test('every part is done once, for any total and any smallest part', async () => {
    startPool(3);
    await allReady();
    for (const total of [2, 3, 7, 11, 12, 13, 100, 1001, 50_000]) {
      for (const minimum of [1, 2, 5, 1000]) {
        words(COUNTS, PAGE).fill(0);
        const isDivided = run('mark', [COUNTS, WORKERS], total, minimum);
        // Between the two it depends on whether a thread is awake.
        const least = total >= 4 * minimum;
        const most = total >= 2 * minimum;
        expect([least, most], `total ${total}, minimum ${minimum}`).toContain(isDivided);
        const counts = words(COUNTS, PAGE);
        expect(counts.findIndex((count, i) => count !== (isDivided && i < total ? 1 : 0))).toBe(-1);
      }
    }
  });

  test('the caller and another thread share the work, and no part is below the smallest', async () => {
    startPool(2);
    await allReady();
    words(MET, 1)[0] = 0;
    expect(run('markTogether', [COUNTS, WORKERS, MET], 1000, 100)).toBe(true);
    const workers = words(WORKERS, 1000);
    expect(new Set(workers)).toEqual(new Set([0, 1]));
    const changes = [...workers.keys()].filter(i => i > 0 && workers[i] !== workers[i - 1]);
    [...changes, 1000].reduce((previous, change) => {
      expect(change - previous).toBeGreaterThanOrEqual(100);
      return change;
    }, 0);
  });

  test('threads that sleep are not woken for less than four parts', async () => {
    startPool(3);
    await allReady();
    const asleep = () => new Promise(resolve => setTimeout(resolve, 50));
    await asleep();
    expect(run('mark', [COUNTS, WORKERS], 399, 100)).toBe(false);
    expect(run('mark', [COUNTS, WORKERS], 400, 100)).toBe(true);
  });

  test('before a thread has started the pool leaves the work to the caller at once', () => {
    startPool(2);
    expect(run('mark', [COUNTS, WORKERS], 1000)).toBe(false);
    expect(words(COUNTS, 1000).every(count => count === 0)).toBe(true);
  });

  test('a thread takes part though the caller never returns to its event loop', () => {
    startPool(2);
    const deadline = performance.now() + 20_000;
    while (!run('mark', [COUNTS, WORKERS], 1000) && performance.now() < deadline);
    expect(words(COUNTS, 1000).every(count => count === 1)).toBe(true);
  });

  test('addresses beyond 2 GB and float32 arrive unchanged', async () => {
    startPool(2);
    await allReady();
    run('keep', [TO, 0xfffffff0, 0.1], 100);
    const addresses = new Uint32Array(memory.buffer, TO, 200).filter((_, i) => i % 2 === 0);
    const scales = new Float32Array(memory.buffer, TO, 200).filter((_, i) => i % 2 === 1);
    expect(new Set(addresses)).toEqual(new Set([0xfffffff0]));
    expect(new Set(scales)).toEqual(new Set([Math.fround(0.1)]));
  });

  test('memory is written right after it has grown', async () => {
    startPool(2);
    await allReady();
    for (let i = 1; i <= 200; ++i) {
      const end = memory.buffer.byteLength;
      memory.grow(1);
      words(MET, 1)[0] = 0;
      expect(run('fillTogether', [end, i, MET], PAGE)).toBe(true);
      expect(new Uint8Array(memory.buffer, end, PAGE).every(byte => byte === i)).toBe(true);
    }
  });

  test('a thread that fails is named in an error, and the next work is done', async () => {
    startPool(2);
    await allReady();
    words(MET, 1)[0] = 0;
    expect(() => run('failElsewhere', [MET], 1000)).toThrow(
      'tfjs-moe/wasm: a thread failed in failElsewhere, and its result is unfinished.',
    );
    expect(run('mark', [COUNTS, WORKERS], 1000)).toBe(true);
    expect(words(COUNTS, 1000).every(count => count === 1)).toBe(true);
  });

  test('a failure of the caller is its own, and the next work is done', async () => {
    startPool(2);
    await allReady();
    for (let i = 0; i < 100; ++i) {
      words(MET, 1)[0] = 0;
      expect(() => run('failHere', [MET], 1000)).toThrow(WebAssembly.RuntimeError);
    }
    expect(run('mark', [COUNTS, WORKERS], 1000)).toBe(true);
    expect(words(COUNTS, 1000).every(count => count === 1)).toBe(true);
  });

  test('a thread that falls silent is an error in the end, and the pool is used no more', async () => {
    startPool(2, {patience: 50});
    await allReady();
    words(MET, 1)[0] = 0;
    expect(() => run('fallSilentElsewhere', [MET], 1000)).toThrow(
      'tfjs-moe/wasm: a thread fell silent in fallSilentElsewhere, and its result is unfinished.',
    );
    expect(run('mark', [COUNTS, WORKERS], 1000)).toBe(false);
    expect(threadPoolOf(memory)).toBeUndefined();
  });

  test('the pool does without its threads once one of them has ended', async () => {
    startPool(3);
    await allReady();
    await threads[0]!.terminate();
    await new Promise(resolve => setImmediate(resolve));
    expect(run('mark', [COUNTS, WORKERS], 1000)).toBe(false);
    expect(threadPoolOf(memory)).toBeUndefined();
  });

  test('a thread that cannot start does not end the process', async () => {
    const start = (_: string, workerData: object) =>
      new Worker('throw new Error("not here")', {eval: true, execArgv: [], workerData});
    startPool(2, {start});
    while (threadPoolOf(memory)) await new Promise(resolve => setTimeout(resolve, 1));
    expect(run('mark', [COUNTS, WORKERS], 1000)).toBe(false);
  });

  test('work within work is left to the caller', async () => {
    startPool(2);
    await allReady();
    const inner: boolean[] = [];
    const outer = (...args: number[]) => {
      inner.push(run('mark', [TO, TO], 10));
      work.markTogether!(...args);
    };
    words(MET, 1)[0] = 0;
    expect(pool.run('markTogether', outer, [COUNTS, WORKERS, MET], 1000, 1)).toBe(true);
    expect(new Set(inner)).toEqual(new Set([false]));
    expect(words(COUNTS, 1000).every(count => count === 1)).toBe(true);
  });

  test('a closed pool does nothing, and its threads end', async () => {
    startPool(2);
    await allReady();
    const ended = new Promise(resolve => threads[0]!.once('exit', resolve));
    pool.close();
    expect(run('mark', [COUNTS, WORKERS], 1000)).toBe(false);
    expect(threadPoolOf(memory)).toBeUndefined();
    await ended;
  });

  test('tiny works leave nothing behind, however many', async () => {
    startPool(2);
    await allReady();
    const memoryInUse = () => process.memoryUsage().rss;
    const runMany = (times: number) => {
      for (let i = 0; i < times; ++i) run('mark', [COUNTS, WORKERS], 8);
    };
    runMany(50_000);
    const before = memoryInUse();
    runMany(200_000);
    // A hundred bytes a call would be 20 MB.
    expect(memoryInUse() - before).toBeLessThan(10e6);
    expect(words(COUNTS, 9)).toEqual(Int32Array.of(...new Array(8).fill(250_000), 0));
  });
});
