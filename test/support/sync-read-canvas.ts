// Reads at once on webgpu in a browser, for assertions: as TensorFlow.js does, but through canvases of the size of the data that are made once.
// Those of TensorFlow.js are of 256 by 256 pixels and made anew by each read, which took 28 ms here where these take 3.
// SPDX-License-Identifier: Apache-2.0
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import {type Internals, typed} from './webgpu-internals.js';

const WIDTH = 256;
const MAX_HEIGHT = 256;

/** A canvas that a buffer is copied to, a word in a pixel, and one that its pixels can be read from. */
interface Stage {
  canvas: OffscreenCanvas;
  context: GPUCanvasContext;
  pixels: OffscreenCanvasRenderingContext2D;
}

/** Gives the active backend, webgpu, a `readSync` that goes through canvases. */
export function readThroughCanvas(): void {
  const backend = tf.backend() as unknown as WebGPUBackend;
  const internals = backend as unknown as Internals;
  const readHost = backend.readSync.bind(backend);
  const stages = new Map<string, Stage>();
  const stageOf = (height: number, alphaMode: GPUCanvasAlphaMode) => {
    const key = `${height} ${alphaMode}`;
    const stage = stages.get(key) ?? createStage(internals.device, height, alphaMode);
    stages.set(key, stage);
    return stage;
  };
  backend.readSync = dataId => {
    const {values, resource, dtype} = internals.tensorMap.get(dataId);
    if (values || dtype === 'string' || dtype === 'complex64') return readHost(dataId);
    const bytes = new Uint8Array(resource.size);
    for (let start = 0; start < bytes.length; start += WIDTH * MAX_HEIGHT * 4) {
      const numRows = Math.min(MAX_HEIGHT, Math.ceil((bytes.length - start) / (WIDTH * 4)));
      const height = 2 ** Math.ceil(Math.log2(numRows));
      const part = bytes.subarray(start, start + numRows * WIDTH * 4);
      // An opaque canvas drops the fourth byte of a pixel, its alpha; one with alpha changes the other three.
      const [opaque, withAlpha] = (['opaque', 'premultiplied'] as const).map(alphaMode =>
        readPart(internals, resource, start, part.length, stageOf(height, alphaMode)),
      );
      for (let i = 0; i < part.length; i++) part[i] = i % 4 === 3 ? withAlpha![i]! : opaque![i]!;
    }
    return typed(dtype, bytes.buffer);
  };
}

function createStage(device: GPUDevice, height: number, alphaMode: GPUCanvasAlphaMode): Stage {
  const canvas = new OffscreenCanvas(WIDTH, height);
  const context = canvas.getContext('webgpu')!;
  context.configure({device, format: 'rgba8unorm', usage: GPUTextureUsage.COPY_DST, alphaMode});
  const pixels = new OffscreenCanvas(WIDTH, height).getContext('2d', {willReadFrequently: true})!;
  pixels.globalCompositeOperation = 'copy';
  return {canvas, context, pixels};
}

function readPart(internals: Internals, buffer: GPUBuffer, start: number, numBytes: number, stage: Stage) {
  const {canvas, context, pixels} = stage;
  const texture = context.getCurrentTexture();
  const numWords = numBytes / 4;
  const numRows = Math.floor(numWords / WIDTH);
  const numLeft = numWords % WIDTH;
  internals.ensureCommandEncoderReady();
  internals.endComputePassEncoder();
  const copy = (row: number, width: number, height: number) => {
    const source = {buffer, offset: start + row * WIDTH * 4, bytesPerRow: WIDTH * 4};
    internals.commandEncoder.copyBufferToTexture(source, {texture, origin: [0, row]}, {width, height});
  };
  if (numRows > 0) copy(0, WIDTH, numRows);
  if (numLeft > 0) copy(numRows, numLeft, 1);
  internals.submitQueue();
  const picture = canvas.transferToImageBitmap();
  pixels.drawImage(picture, 0, 0);
  picture.close();
  return pixels.getImageData(0, 0, WIDTH, numRows + (numLeft > 0 ? 1 : 0)).data;
}
