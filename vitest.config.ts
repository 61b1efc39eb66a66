// The tests: one project for each place in which the suite runs, see test/rows/rows.ts. Without a mode it is the first, cpu and wasm alone;
// with --mode machine those that this machine can run; with --mode all none may be missing.
// SPDX-License-Identifier: Apache-2.0
import {fileURLToPath} from 'node:url';
import {playwright} from '@vitest/browser-playwright';
import {defineConfig, type TestProjectInlineConfiguration} from 'vitest/config';
import {CHROMIUM_ARGS, findChromium} from './test/package/browser.js';
import RowsReporter from './test/rows/reporter.js';
import {PROJECTS, type RowProject} from './test/rows/rows.js';
import {suitesOf} from './test/rows/suites.js';
import {SOFTWARE_DRIVER} from './test/support/software-driver.js';

const root = fileURLToPath(new URL('.', import.meta.url));
const source = (path: string) => `${root}src/${path}`;

function toProjects(projects: readonly RowProject[]): TestProjectInlineConfiguration[] {
  const inBrowser = projects.filter(({place}) => place === 'chromium');
  const others = projects.filter(({place}) => place !== 'chromium').map(toProject);
  return inBrowser.length > 0 ? [...others, inChromium(inBrowser)] : others;
}
const ONLY_OF_BACKEND = 'test/rows/only-of-backend.ts';

function toProject(project: RowProject): TestProjectInlineConfiguration {
  const {name, backends} = project;
  if (name === 'host') return {extends: true, test: {name, provide: {backends}, include: ['test/**/*.test.ts']}};
  const env = {TF_CPP_MIN_LOG_LEVEL: '2', VK_ICD_FILENAMES: SOFTWARE_DRIVER ?? ''};
  const setupFiles = [`test/rows/setup-${name}.ts`, ONLY_OF_BACKEND];
  return {extends: true, test: {...inRow('node'), name, provide: {backends}, env, setupFiles}};
}

function inRow(place: RowProject['place']) {
  return {
    sequence: {groupOrder: {node: 1, chromium: 2}[place]}, // after the host's, with workers of their own
    include: suitesOf(root, place),
    // One process or one page for all files: it starts one device, and TensorFlow.js is loaded once.
    isolate: false,
    fileParallelism: false,
    testTimeout: 300_000,
  };
}

/** The projects in Chromium are instances of one, and share its server. */
function inChromium(projects: readonly RowProject[]): TestProjectInlineConfiguration {
  // Without Vulkan a canvas that webgpu has written to reads as empty, and through canvases tests read at once.
  const args = [...CHROMIUM_ARGS, '--enable-features=Vulkan', '--use-vulkan=swiftshader'];
  const launchOptions = {executablePath: findChromium()!, args};
  const browser = {
    enabled: true,
    headless: true,
    screenshotFailures: false,
    provider: playwright({launchOptions}),
    instances: projects.map(({name, backends}) => ({browser: 'chromium' as const, name, provide: {backends}})),
  };
  return {
    extends: true,
    test: {
      ...inRow('chromium'),
      name: 'chromium',
      includeTaskLocation: true, // for some-of-each.ts
      browser,
      setupFiles: ['test/rows/setup-chromium.ts', ONLY_OF_BACKEND],
    },
  };
}

export default defineConfig(({mode}) => {
  const missing = PROJECTS.filter(project => project.missing !== undefined);
  if (mode === 'all' && missing.length > 0) {
    throw new Error(missing.map(project => `The row ${project.name} cannot run: ${project.missing}.`).join('\n'));
  }
  const isMatrix = mode === 'machine' || mode === 'all';
  const machine = PROJECTS.filter(project => project.missing === undefined);
  const projects = mode === 'all' ? PROJECTS : isMatrix ? machine : PROJECTS.slice(0, 1);
  return {
    resolve: {
      alias: [
        {find: /^tfjs-moe\/(\w+)$/, replacement: source('$1/index.ts')},
        {find: /^tfjs-moe$/, replacement: source('index.ts')},
      ],
    },
    test: {
      exclude: ['test/package/**', 'test/site/**'],
      // The binary of src/wasm/assembly, where a source is newer than it, and the programs that tests start.
      globalSetup: ['scripts/build-assembly.mjs', 'test/support/programs.ts'],
      testTimeout: 60_000,
      maxWorkers: '100%', // the default leaves a core idle
      reporters: isMatrix ? ['default', new RowsReporter()] : ['default'],
      projects: toProjects(projects),
    },
  };
});
