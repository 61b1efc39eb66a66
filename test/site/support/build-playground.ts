// Builds the playground into a folder of its own.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {build} from 'vite';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Runs Vite as `npm run docs` does, but into a temporary folder.
 *
 * @returns The folder, with a function that deletes it.
 * @throws Error where the library is not built: the playground imports it as its users do.
 */
export async function buildPlayground(): Promise<{folder: string; remove: () => Promise<void>}> {
  if (!existsSync(join(root, 'dist/index.js'))) {
    throw new Error('buildPlayground: dist must hold the built library. Run "npm run build" first.');
  }
  const folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-playground-'));
  await build({
    configFile: join(root, 'docs/playground/vite.config.ts'),
    logLevel: 'warn',
    build: {outDir: folder, emptyOutDir: true},
  });
  return {folder, remove: () => rm(folder, {recursive: true, force: true})};
}
