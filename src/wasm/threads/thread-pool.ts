// Threads of our own on a backend's shared memory, for the functions of our binary that can be split.
// SPDX-License-Identifier: Apache-2.0
import type {Worker} from 'node:worker_threads';

/**
 * A function over [0, total) that may be split: its last arguments are the beginning and the end of a part and the number of the worker
 * that does it, for memory that each worker needs alone.
 */
export type Splittable = (...args: number[]) => void;

/** Threads on one shared memory. */
export interface ThreadPool {
  /** The binary, of which every thread has an instance. */
  readonly module: WebAssembly.Module;
  /** How many threads there are with the caller's. */
  readonly numThreads: number;
  /**
   * Runs a function over [0, total), in parts of at least `minimum` but for the last, on the caller's thread and on those of the others
   * that are awake in time. A thread that is not, because it still starts or its core is busy, is not waited for.
   *
   * @param work The function `name` of the caller's own instance.
   * @returns Whether it did; not where the work is too small to divide or to wake a thread for, no thread has started yet, or this is called
   *   from `work`.
   * @throws Error if a thread fails or falls silent within a part; what the function writes is then unfinished.
   */
  run(name: string, work: Splittable, args: readonly number[], total: number, minimum: number): boolean;
  /** Ends the threads; `run` does nothing from then on. */
  close(): void;
}

/** Indices into the control block. A cache line stands between words on which one thread waits and others write. */
const WAKE = 0; // counts the jobs
const ACTIVE = 16; // how many threads are within the job, and CLOSED
const NEXT = 32; // the next part to do
const READY = 48; // how many threads have started
const ASLEEP = 49; // how many of them sleep
const FAILED = 50; // whether one has failed within the job
const [FUNCTION, TOTAL, PART, NUM_PARTS, NUM_ARGS] = [64, 65, 66, 67, 68]; // the job
const ARGS_OFFSET = 320; // bytes; float64, which holds every integer address and float32
const MAX_ARGS = 32;

/** Beside the count in ACTIVE: no further thread may enter. */
const CLOSED = 1 << 30;

/** More parts than threads: one that comes late or has the slower core leaves its share to the others. */
const PARTS_PER_THREAD = 4;
/** With all threads asleep the work is divided only if it is worth so many parts: the caller pays for waking them. */
const PARTS_TO_WAKE = 4;
/** How often a word is looked at before its reader goes to sleep. To be woken takes tens of microseconds. */
const THREAD_SPINS = 4000;
const CALLER_SPINS = 20_000;

/** What a thread runs; a text, so that it needs no file that a bundler would have to know of. */
const THREAD_PROGRAM = `
'use strict';
const {module, memory, control, names, worker} = require('node:worker_threads').workerData;
const {exports} = new WebAssembly.Instance(module, {env: {memory}});
const words = new Int32Array(control);
const numbers = new Float64Array(control, ${ARGS_OFFSET});
Atomics.add(words, ${READY}, 1);
for (let seen = 0; ; ) {
  for (let i = 0; i < ${THREAD_SPINS} && Atomics.load(words, ${WAKE}) === seen; ++i);
  Atomics.add(words, ${ASLEEP}, 1);
  Atomics.wait(words, ${WAKE}, seen);
  Atomics.sub(words, ${ASLEEP}, 1);
  seen = Atomics.load(words, ${WAKE});
  let active = Atomics.load(words, ${ACTIVE});
  let isWithin = false;
  while (!isWithin && !(active & ${CLOSED})) {
    const found = Atomics.compareExchange(words, ${ACTIVE}, active, active + 1);
    isWithin = found === active;
    active = found;
  }
  if (!isWithin) continue;
  try {
    const work = exports[names[words[${FUNCTION}]]];
    const args = Array.from(numbers.subarray(0, words[${NUM_ARGS}]));
    const [total, part, numParts] = [words[${TOTAL}], words[${PART}], words[${NUM_PARTS}]];
    for (let i; (i = Atomics.add(words, ${NEXT}, 1)) < numParts; ) {
      work(...args, i * part, Math.min(total, (i + 1) * part), worker);
    }
  } catch {
    Atomics.store(words, ${FAILED}, 1);
    Atomics.store(words, ${NEXT}, words[${NUM_PARTS}]);
  }
  if (Atomics.sub(words, ${ACTIVE}, 1) === ${CLOSED + 1}) Atomics.notify(words, ${ACTIVE});
}`;

/** The pool on each memory that has one. */
const pools = new WeakMap<WebAssembly.Memory, ThreadPool>();

/** The pool that `startThreadPool` made on this memory, while it is open. */
export function threadPoolOf(memory: WebAssembly.Memory): ThreadPool | undefined {
  return pools.get(memory);
}

/** What a pool is made of. */
export interface ThreadPoolParts {
  /** Makes a `Worker` of `node:worker_threads` that runs a program, with its `workerData`. */
  start(program: string, workerData: object): Worker;
  /** The binary; it imports its memory as env.memory and keeps nothing of its own in it. */
  module: WebAssembly.Module;
  /** A shared memory. */
  memory: WebAssembly.Memory;
  /** How many threads there are to be with the caller's. */
  numThreads: number;
  /** Milliseconds after which a thread that is silent within a part, while the caller has nothing left to do, is taken for dead. */
  patience?: number;
}

/**
 * Starts numThreads - 1 threads, which `threadPoolOf` finds by the memory. None of them keeps the process from ending. A thread takes
 * part as soon as it has started; it does not need the caller to return to the event loop for it.
 */
export function startThreadPool({start, module, memory, numThreads, patience = 10_000}: ThreadPoolParts): ThreadPool {
  const control = new SharedArrayBuffer(ARGS_OFFSET + MAX_ARGS * Float64Array.BYTES_PER_ELEMENT);
  const words = new Int32Array(control);
  const numbers = new Float64Array(control, ARGS_OFFSET);
  const names = WebAssembly.Module.exports(module).map(({name}) => name);
  words[ACTIVE] = CLOSED;
  let isOpen = true;
  let isAtWork = false;

  /** Does parts until none is left. */
  const doParts = (work: Splittable, args: readonly number[], total: number, part: number, numParts: number) => {
    for (let i = Atomics.add(words, NEXT, 1); i < numParts; i = Atomics.add(words, NEXT, 1)) {
      work(...args, i * part, Math.min(total, (i + 1) * part), 0);
    }
  };
  /** Lets no further thread in and waits for those that are within; whether they all came out. */
  const finish = () => {
    Atomics.or(words, ACTIVE, CLOSED);
    for (let i = 0; i < CALLER_SPINS && Atomics.load(words, ACTIVE) !== CLOSED; ++i);
    for (let active = Atomics.load(words, ACTIVE); active !== CLOSED; active = Atomics.load(words, ACTIVE)) {
      if (Atomics.wait(words, ACTIVE, active, patience) === 'timed-out') return false;
    }
    return true;
  };

  const pool: ThreadPool = {
    module,
    numThreads,
    run(name, work, args, total, minimum) {
      const numParts = Math.min(Math.floor(total / Math.max(1, minimum)), numThreads * PARTS_PER_THREAD);
      const isAwake = Atomics.load(words, ASLEEP) < Atomics.load(words, READY);
      if (!isOpen || isAtWork || numParts < (isAwake ? 2 : PARTS_TO_WAKE)) return false;
      if (Atomics.load(words, READY) === 0) return false;
      const part = Math.ceil(total / numParts);
      words[FUNCTION] = names.indexOf(name);
      words[TOTAL] = total;
      words[PART] = part;
      words[NUM_PARTS] = Math.ceil(total / part);
      words[NUM_ARGS] = args.length;
      words[FAILED] = 0;
      numbers.set(args);
      Atomics.store(words, NEXT, 0);
      isAtWork = true;
      // What was written before this is seen by every thread that enters after it.
      Atomics.store(words, ACTIVE, 0);
      Atomics.add(words, WAKE, 1);
      Atomics.notify(words, WAKE, words[NUM_PARTS]! - 1);
      let isComplete = false;
      try {
        doParts(work, args, total, part, words[NUM_PARTS]!);
      } finally {
        isComplete = finish();
        isAtWork = false;
        if (!isComplete) pool.close();
      }
      if (!isComplete || words[FAILED]) {
        throw new Error(
          `tfjs-moe/wasm: ${isComplete ? 'a thread failed' : 'a thread fell silent'} in ${name}, and its result is unfinished.`,
        );
      }
      return true;
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      if (pools.get(memory) === pool) pools.delete(memory);
      for (const worker of workers) void worker.terminate();
    },
  };
  const workers = Array.from({length: numThreads - 1}, (_, i) => {
    const worker = start(THREAD_PROGRAM, {module, memory, control, names, worker: i + 1});
    worker.unref();
    // Without a listener the error of a thread ends the process; a pool that lost a thread does without all of them.
    worker.on('error', () => pool.close());
    worker.on('exit', () => pool.close());
    return worker;
  });
  pools.set(memory, pool);
  return pool;
}
