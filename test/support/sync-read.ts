// Reads at once on webgpu in Node, for assertions: TensorFlow.js can read so in browsers only, by a canvas.
// SPDX-License-Identifier: Apache-2.0
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import {type Internals, typed} from './webgpu-internals.js';

/** What Dawn has asked to be called for at the end of the turn: there it looks whether the device is done. */
const asked = new Set<() => void>();

/** Lets `lookAtDevice` see what Dawn asks for. Call it before Dawn is loaded. */
export function watchDevice(): void {
  const later = globalThis.setImmediate;
  const watched = (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    const once = () => {
      if (asked.delete(once)) callback(...args);
    };
    asked.add(once);
    return later(once);
  };
  globalThis.setImmediate = Object.assign(watched, later) as typeof setImmediate;
}

/** To wait on for a while. */
const NOTHING = new Int32Array(new SharedArrayBuffer(4));

/** Has Dawn look at the device now, in the middle of a turn. */
function lookAtDevice(): void {
  for (const once of [...asked]) once();
}

/** Gives the active backend, webgpu, a `readSync` that waits for the device. */
export function readAtOnce(): void {
  const backend = tf.backend() as unknown as WebGPUBackend;
  const internals = backend as unknown as Internals;
  const readHost = backend.readSync.bind(backend);
  backend.readSync = dataId => {
    const {values, resource, dtype} = internals.tensorMap.get(dataId);
    return values || dtype === 'string' ? readHost(dataId) : typed(dtype, bytesOf(internals, resource));
  };
}

function bytesOf(internals: Internals, source: GPUBuffer): ArrayBuffer {
  const {size} = source;
  const target = internals.device.createBuffer({size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ});
  internals.ensureCommandEncoderReady();
  internals.endComputePassEncoder();
  internals.commandEncoder.copyBufferToBuffer(source, 0, target, 0, size);
  internals.submitQueue();
  const mapped = target.mapAsync(GPUMapMode.READ);
  mapped.catch(() => {}); // what is wrong shows below
  const deadline = performance.now() + 60_000;
  for (let looks = 0; target.mapState === 'pending' && performance.now() < deadline; ++looks) {
    lookAtDevice();
    if (looks > 20) Atomics.wait(NOTHING, 0, 0, 0.1); // leaves the processor to the driver, which runs on it
  }
  const bytes = target.getMappedRange().slice(0);
  target.destroy();
  return bytes;
}
