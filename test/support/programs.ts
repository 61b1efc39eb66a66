// What tests start as processes of their own, bundled before they run: a process is there in half the time that the sources would take.
// SPDX-License-Identifier: Apache-2.0
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';
import type {TestProject} from 'vitest/node';

const root = fileURLToPath(new URL('../..', import.meta.url));
const ENTRIES = {
  command: 'src/bin/tfjs-moe.ts',
  sweep: 'test/sweep/run-sweep.ts',
  worker: 'test/sweep/run-worker.ts',
};
// As deep below the root as src/bin, from where the command reads package.json.
const FOLDER = 'node_modules/.tfjs-moe-test';

export type ProgramName = keyof typeof ENTRIES;

/** The file for node to run. */
export const programFile = (name: ProgramName) => `${root}${FOLDER}/${name}.js`;

async function bundle(): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir: FOLDER,
    bundle: true,
    splitting: true, // as a program is loaded when it is asked for
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    ignoreAnnotations: true, // package.json lists the built files that have side effects; these are sources
  });
}

/** Vitest calls it before the tests. */
export async function setup(project: TestProject): Promise<void> {
  project.onTestsRerun(bundle);
  await bundle();
}
