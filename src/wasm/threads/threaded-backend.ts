// Makes a wasm backend with threads in Node, from tfjs's own threaded build, which tfjs uses in browsers only.
// SPDX-License-Identifier: Apache-2.0

import type {Worker} from 'node:worker_threads';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';
import {binaryBytes} from '../binary-bytes.js';
import {startThreadPool, type ThreadPool} from './thread-pool.js';

/** The threaded build, beside it what its threads run and its binary. */
const BUILD = '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd';

/** The build's list of its threads. */
interface PThread {
  unusedWorkers: Worker[];
  runningWorkers: Worker[];
  allocateUnusedWorker(): void;
  terminateAllThreads(): void;
}

/** What the build's factory fills in and gives back: the start of the build is steered through its properties. */
interface Module {
  PThread: PThread;
  wasmMemory: WebAssembly.Memory;
  cwrap(name: string, returns: string | null, takes: string[]): (...args: number[]) => number;
  tfjs: Record<string, (...args: number[]) => number>;
}

/** Where the parts of the threaded build are, and what makes them run. */
export interface ThreadedBuild {
  /** The build's script, which each thread loads. */
  scriptPath: string;
  /** Makes a module from what it is given. */
  factory: (module: object) => Promise<Module>;
  /** The program of a thread of the build, as text. */
  threadProgram: string;
  /** The build's binary. */
  binary: Uint8Array;
  /** Node's class of threads. */
  Worker: typeof Worker;
}

/** Node's modules and the build's parts, or in words why there are none. */
export async function findThreadedBuild(): Promise<ThreadedBuild | string> {
  // Node's modules are asked for at run time: a bundler for browsers sees nothing that it would have to resolve.
  const {createRequire} = process.getBuiltinModule('node:module');
  const {readFile} = process.getBuiltinModule('node:fs/promises');
  const {Worker} = process.getBuiltinModule('node:worker_threads');
  try {
    const require = createRequire(import.meta.url);
    const scriptPath = require.resolve(`${BUILD}.js`);
    const factory: unknown = require(scriptPath);
    const {wasmWorkerContents} = require(`${BUILD}.worker.js`) as {wasmWorkerContents?: unknown};
    const binary = await readFile(require.resolve(`${BUILD}.wasm`));
    if (typeof factory !== 'function' || typeof wasmWorkerContents !== 'string') {
      return 'this version of @tensorflow/tfjs-backend-wasm keeps its threaded build in another form';
    }
    // The text lost a level of escapes on its way into the package: its strings hold bare line ends.
    const threadProgram = wasmWorkerContents.replaceAll('\n', '\\n');
    return {scriptPath, factory: factory as ThreadedBuild['factory'], threadProgram, binary, Worker};
  } catch (error) {
    const [reason] = (error as Error).message.split('\n'); // a list of files may follow
    return `the threaded build of @tensorflow/tfjs-backend-wasm was not found (${reason})`;
  }
}

/**
 * Starts the threaded build and makes a backend of it. Nothing outside the build is changed, but that it sets `globalThis.Worker` at its
 * start, which is put back at once.
 *
 * @param Backend The class BackendWasm of the package.
 * @param numThreads How many threads there are to be with the caller's.
 */
export async function makeThreadedBackend(
  Backend: new (module: object) => BackendWasm,
  {scriptPath, factory, threadProgram, binary, Worker}: ThreadedBuild,
  numThreads: number,
): Promise<BackendWasm> {
  let pthread: PThread | undefined;
  let pool: ThreadPool | undefined;
  let fail: ((error: unknown) => void) | undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });

  /** The build would have 8 threads, from the address of a blob, which Node cannot start. */
  const addThreads = (threads: Worker[]) => {
    while (threads.length < numThreads - 1) {
      const worker = new Worker(threadProgram, {eval: true, execArgv: []});
      // The build throws what a thread throws. Before the backend stands, that would end the process for want of threads.
      let onerror: unknown;
      Object.defineProperty(worker, 'onerror', {
        get: () => fail ?? onerror,
        set(handler) {
          onerror = handler;
        },
      });
      threads.push(worker);
    }
  };
  const wasmModule = await WebAssembly.compile(binary as BufferSource);
  const config = {
    // What a thread is told to load: the build's script instead of the text of the function in the bundle.
    mainScriptUrlOrBlob: scriptPath,
    instantiateWasm(imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance, module: object) => void) {
      // The build takes half of the cores at most, so that it is told of twice the number of threads.
      imports.env!.emscripten_num_logical_cores = () => 2 * numThreads;
      WebAssembly.instantiate(wasmModule, imports).then(instance => receive(instance, wasmModule), fail);
      return {};
    },
  };
  // Not enumerable: the build copies what is.
  Object.defineProperty(config, 'PThread', {
    get: () => pthread,
    set(value: PThread) {
      pthread = value;
      pthread.allocateUnusedWorker = () => addThreads(value.unusedWorkers);
    },
  });

  try {
    const worker = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
    let starting: Promise<Module>;
    try {
      starting = factory(config);
    } finally {
      if (worker) Object.defineProperty(globalThis, 'Worker', worker);
      else Reflect.deleteProperty(globalThis, 'Worker');
    }
    const module = await Promise.race([starting, failed]);
    module.tfjs = bridge(module);
    const backend = new Backend(module);
    // From here on the build's threads do not keep the process from ending.
    for (const running of module.PThread.runningWorkers) running.unref();
    pool = await startOwnThreads(module.wasmMemory, numThreads, Worker);
    const dispose = backend.dispose;
    backend.dispose = () => {
      pool?.close();
      dispose.call(backend);
    };
    return backend;
  } catch (error) {
    pool?.close();
    for (const worker of [...(pthread?.unusedWorkers ?? []), ...(pthread?.runningWorkers ?? [])]) {
      void worker.terminate();
    }
    throw error;
  } finally {
    fail = undefined;
  }
}

/** The functions of the build by which the backend drives it, as the package's own start names them. */
function bridge({cwrap}: Module): Module['tfjs'] {
  return {
    init: cwrap('init', null, []),
    initWithThreadsCount: cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: cwrap('get_threads_count', 'number', []),
    registerTensor: cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: cwrap('dispose_data', null, ['number']),
    dispose: cwrap('dispose', null, []),
  };
}

async function startOwnThreads(memory: WebAssembly.Memory, numThreads: number, NodeWorker: typeof Worker) {
  const module = await WebAssembly.compile(binaryBytes(true));
  const start = (program: string, workerData: object) =>
    new NodeWorker(program, {eval: true, execArgv: [], workerData});
  return startThreadPool({start, module, memory, numThreads});
}
