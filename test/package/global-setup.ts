// Packs the package once and installs the tarball beside the TensorFlow.js packages of two kinds of users.
// SPDX-License-Identifier: Apache-2.0
import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {TestProject} from 'vitest/node';
import {runCommand} from './run-command.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

declare module 'vitest' {
  export interface ProvidedContext {
    /** The tarball's path. */
    tarball: string;
    /** The files inside, as `npm pack` lists them; sizes in bytes. */
    packedFiles: {path: string; size: number}[];
    /** A folder with the tarball and the modular packages: core, layers and the wasm backend. */
    modular: string;
    /** A folder with the tarball and the union package, @tensorflow/tfjs. */
    union: string;
  }
}

/** Builds, packs and installs; what it returns removes it all again. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-package-'));
  const {version} = JSON.parse(
    await readFile(join(ROOT, 'node_modules/@tensorflow/tfjs-core/package.json'), 'utf8'),
  ) as {version: string};

  // The lifecycle script `prepare` builds what is packed.
  const report = await runCommand(ROOT, 'npm', [
    'pack',
    '--json',
    '--foreground-scripts=false',
    '--pack-destination',
    folder,
  ]);
  const [packed] = JSON.parse(report.slice(report.indexOf('[\n'))) as [
    {filename: string; files: {path: string; size: number}[]},
  ];
  const tarball = join(folder, packed.filename);

  const install = async (name: string, packages: string[]) => {
    const path = join(folder, name);
    await mkdir(path);
    await writeFile(join(path, 'package.json'), JSON.stringify({private: true, type: 'module'}));
    const versions = packages.map(dependency => `@tensorflow/${dependency}@${version}`);
    await runCommand(path, 'npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', tarball, ...versions]);
    return path;
  };
  project.provide('tarball', tarball);
  project.provide(
    'packedFiles',
    packed.files.map(({path, size}) => ({path, size})),
  );
  project.provide('modular', await install('modular', ['tfjs-core', 'tfjs-layers', 'tfjs-backend-wasm']));
  project.provide('union', await install('union', ['tfjs', 'tfjs-backend-wasm']));
  return () => rm(folder, {recursive: true, force: true});
}
