// The rows of the test matrix: on which backends the one suite runs, and what a machine lacks that cannot run a row.
// SPDX-License-Identifier: Apache-2.0
import {createRequire} from 'node:module';
import {findChromium} from '../package/browser.js';
import {SOFTWARE_DRIVER} from '../support/software-driver.js';

/** A project of Vitest: the suite in one place. */
export interface RowProject {
  name: 'host' | 'node' | 'webgpu' | 'chromium-webgl' | 'chromium-webgpu';
  /** What `eachBackend` describes a suite on, by the names of TensorFlow.js. */
  backends: readonly string[];
  place: 'node' | 'chromium';
  /** What this machine lacks, and what would bring it; undefined where the project can run. */
  missing: string | undefined;
}

/** A line of the summary. */
export interface Row {
  title: string;
  project: RowProject;
  /** Ends the title of a suite of this row. */
  suffix: string;
}

const noChromium = findChromium() === undefined ? 'it needs Chromium (Debian: chromium)' : undefined;

const host: RowProject = {name: 'host', backends: ['cpu', 'wasm'], place: 'node', missing: undefined};
const node: RowProject = {
  name: 'node',
  backends: ['tensorflow'],
  place: 'node',
  missing: isInstalled('@tensorflow/tfjs-node')
    ? undefined
    : 'it needs @tensorflow/tfjs-node: npm install --no-save @tensorflow/tfjs-node, or scripts/tfjs-node-from-wheel.mjs --into .',
};
const webgpu: RowProject = {
  name: 'webgpu',
  backends: ['webgpu'],
  place: 'node',
  missing:
    SOFTWARE_DRIVER === undefined
      ? 'it needs SwiftShader and the Vulkan loader (Debian: chromium and libvulkan1), or VK_ICD_FILENAMES'
      : undefined,
};
const chromiumWebgl: RowProject = {
  name: 'chromium-webgl',
  backends: ['webgl'],
  place: 'chromium',
  missing: noChromium,
};
const chromiumWebgpu: RowProject = {
  name: 'chromium-webgpu',
  backends: ['webgpu'],
  place: 'chromium',
  missing: noChromium,
};

/** All projects; the first runs what does not depend on a backend, too. */
export const PROJECTS: readonly RowProject[] = [host, node, webgpu, chromiumWebgl, chromiumWebgpu];

/** The lines of the summary. */
export const ROWS: readonly Row[] = [
  {title: 'cpu', project: host, suffix: ' on cpu'},
  {title: 'wasm', project: host, suffix: ' on wasm'},
  {title: 'wasm with our kernels', project: host, suffix: ' on wasm with our kernels'},
  {title: 'node (tfjs-node)', project: node, suffix: ' on tensorflow'},
  {title: 'webgpu (Node, Dawn)', project: webgpu, suffix: ' on webgpu'},
  {title: 'webgl (Chromium)', project: chromiumWebgl, suffix: ' on webgl'},
  {title: 'webgpu (Chromium)', project: chromiumWebgpu, suffix: ' on webgpu'},
];

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(`${name}/package.json`);
    return true;
  } catch {
    return false;
  }
}
