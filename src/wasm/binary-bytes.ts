// The bytes of our binary, which the build keeps as text.
// SPDX-License-Identifier: Apache-2.0
import {BINARY, SHARED_MEMORY_BINARY} from './binaries.js';

/** The binary for a backend's memory, which is shared where the backend has threads. */
export function binaryBytes(isShared: boolean): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(isShared ? SHARED_MEMORY_BINARY : BINARY), character => character.charCodeAt(0));
}
