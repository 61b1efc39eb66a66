// WebGPU in Node: the package `webgpu` (Dawn) brings what a browser has in `navigator.gpu`.
// SPDX-License-Identifier: Apache-2.0
import {existsSync, readdirSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import {Unusable} from './unusable.js';

/** Where Linux shows the devices of graphics drivers, and NVIDIA's its own. */
const DEVICES = ['/dev/dri', '/dev/nvidia0', '/dev/dxg'];

/** Of tfjs-backend-webgpu: a value of its enumeration MatMulProgramType. */
const TILED_PRODUCT = 3;

/**
 * Makes the backend `webgpu` known to TensorFlow.js. A process ends as usual with it running.
 *
 * @param acceptSoftware Whether an adapter that the processor plays, such as SwiftShader, will do: it is slower than wasm.
 * @throws Unusable where there is no adapter, or none but software, and where the backend's package was imported too early.
 */
export async function loadWebgpu({acceptSoftware}: {acceptSoftware: boolean}): Promise<void> {
  if (isKnown()) return;
  // Dawn complains aloud of a missing Vulkan: where nobody asked for it and nothing can come of it, it is not loaded.
  if (!acceptSoftware && !hasGraphicsDevice()) throw new Unusable('there is no graphics device');
  const {create, globals} = await import('webgpu');
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) {
    throw new Unusable(
      'there is no adapter. On Linux it needs the Vulkan loader (libvulkan.so.1) and a driver; VK_ICD_FILENAMES may name the driver',
    );
  }
  const {isFallbackAdapter, description} = adapter.info;
  if (isFallbackAdapter && !acceptSoftware) throw new Unusable(`its adapter is software (${description})`);
  Object.assign(globalThis, globals);
  // Node has a navigator from version 21 on.
  Object.defineProperty(globalThis.navigator ?? defineNavigator(), 'gpu', {value: gpu, configurable: true});
  await import('@tensorflow/tfjs-backend-webgpu');
  if (!isKnown()) {
    throw new Unusable(
      '@tensorflow/tfjs-backend-webgpu was imported before useBackend was called, when there was no WebGPU: import it no longer',
    );
  }
  // The product for small results has a workgroup for each entry, whose invocations meet at barriers: SwiftShader takes 19 ms for
  // [6, 5] x [5, 5], where the tiled one takes half a millisecond. From [128, 128] x [128, 128] on there is nothing between them.
  if (isFallbackAdapter) tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', TILED_PRODUCT);
}

/** Typed as if it were always there. */
const isKnown = () => (tf.findBackendFactory('webgpu') ?? null) !== null;

function defineNavigator(): object {
  Object.defineProperty(globalThis, 'navigator', {value: {}, configurable: true, writable: true});
  return globalThis.navigator;
}

function hasGraphicsDevice(): boolean {
  if (process.platform !== 'linux') return true;
  return DEVICES.some(path => existsSync(path) && (path !== '/dev/dri' || readdirSync(path).length > 0));
}
