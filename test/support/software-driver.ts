// A Vulkan driver that the processor plays, by which tests run webgpu in Node without a graphics card.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';

/** Of Debian's chromium. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const LOADERS = ['/usr/lib/x86_64-linux-gnu/libvulkan.so.1', '/usr/lib/aarch64-linux-gnu/libvulkan.so.1'];

/** What VK_ICD_FILENAMES must name; undefined where webgpu cannot be tried. */
export const SOFTWARE_DRIVER: string | undefined =
  process.env['VK_ICD_FILENAMES'] ??
  (existsSync(SWIFTSHADER) && LOADERS.some(path => existsSync(path)) ? SWIFTSHADER : undefined);

/** For the title of a test that is skipped without. */
export const WHY_NO_DRIVER =
  SOFTWARE_DRIVER === undefined
    ? ' (skipped: needs SwiftShader and the Vulkan loader, Debian chromium and libvulkan1)'
    : '';
