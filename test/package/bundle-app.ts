// Bundles a program in a user's installation, as the bundlers do that people use.
// SPDX-License-Identifier: Apache-2.0
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {build} from 'esbuild';
import {type OutputChunk, rolldown} from 'rolldown';
import {inject} from 'vitest';

/** A bundle, minified: its text, and the files that are in it. */
export interface Bundle {
  code: string;
  modules: string[];
}

/** What stays outside: the peers, and what Node and only tfjs-moe/node bring. */
const OUTSIDE = {
  rolldown: /^(@tensorflow\/|node:|webgpu$|write-file-atomic$)/,
  esbuild: ['@tensorflow/*', 'node:*', 'webgpu', 'write-file-atomic'],
};

const bundlers = {
  async rolldown(input: string): Promise<Bundle> {
    const cwd = inject('modular');
    const built = await rolldown({input, cwd, external: OUTSIDE.rolldown, platform: 'neutral', logLevel: 'silent'});
    const {output} = await built.generate({format: 'esm', minify: true});
    await built.close();
    const chunks = output.filter((part): part is OutputChunk => part.type === 'chunk');
    return {code: chunks.map(chunk => chunk.code).join('\n'), modules: chunks.flatMap(chunk => chunk.moduleIds)};
  },

  async esbuild(input: string): Promise<Bundle> {
    const {outputFiles, metafile} = await build({
      entryPoints: [input],
      absWorkingDir: inject('modular'),
      external: OUTSIDE.esbuild,
      bundle: true,
      minify: true,
      format: 'esm',
      write: false,
      metafile: true,
      logLevel: 'silent',
    });
    return {
      code: outputFiles[0]!.text,
      modules: Object.values(metafile.outputs).flatMap(file => Object.keys(file.inputs)),
    };
  },
};

/** Vite 8 bundles by rolldown; webpack and rollup read the same list of side effects. */
export type Bundler = keyof typeof bundlers;

/** The names in `bundlers`. */
export const BUNDLERS = Object.keys(bundlers) as Bundler[];

/** Bundles a program that stands in the installation with the modular packages under a name. */
export async function bundleApp(bundler: Bundler, name: string, program: string): Promise<Bundle> {
  const input = join(inject('modular'), `${name}.mjs`);
  await writeFile(input, program);
  return bundlers[bundler](input);
}
