// What we use of a wasm backend that its type does not name.
// SPDX-License-Identifier: Apache-2.0

import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';

/** The backend's own module, as far as we know it. */
export interface BackendModule {
  /** What the backend's binary exports; with threads the memory is made outside and stands beside it. */
  asm: {memory?: WebAssembly.Memory};
  wasmMemory?: WebAssembly.Memory;
  tfjs: {initWithThreadsCount(count: number): void};
  _malloc(bytes: number): number;
  _free(address: number): void;
}

/** The module of a backend, in which everything may be absent until `describeDifference` has found nothing. */
export function moduleOf(backend: BackendWasm): Partial<BackendModule> {
  return (backend as unknown as {wasm?: Partial<BackendModule>}).wasm ?? {};
}

/** The memory of a backend; undefined on a version of it that keeps its memory elsewhere. */
export function memoryOf(backend: BackendWasm): WebAssembly.Memory | undefined {
  const {asm, wasmMemory} = moduleOf(backend);
  const memory: unknown = asm?.memory ?? wasmMemory;
  return memory instanceof WebAssembly.Memory ? memory : undefined;
}
