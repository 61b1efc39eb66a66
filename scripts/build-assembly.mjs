// Compiles src/wasm/assembly into src/wasm/binaries.ts, once for a backend with one thread and once for one whose memory is shared.
// Does nothing while the result is newer than every source.
// SPDX-License-Identifier: Apache-2.0
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import asc from 'assemblyscript/asc';
import writeFileAtomic from 'write-file-atomic';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = join(root, 'src/wasm/assembly');
const output = join(root, 'src/wasm/binaries.ts');

/** The memory is the backend's: the module has no data, no heap and no stack of its own in it. */
const COMMON = [
  '--importMemory',
  '--runtime',
  'stub',
  '-O3',
  '--converge',
  '--noAssert',
  '--noExportMemory',
  '--enable',
  'simd',
];
const VARIANTS = {
  BINARY: [],
  // The limits must hold those of the memory that is imported, which tfjs lets grow up to the end of the address space.
  SHARED_MEMORY_BINARY: ['--sharedMemory', '--maximumMemory', '65536', '--enable', 'threads'],
};

/** Compiles one variant and returns its bytes. */
async function compile(options) {
  const folder = mkdtempSync(join(tmpdir(), 'tfjs-moe-assembly-'));
  try {
    const binary = join(folder, 'kernels.wasm');
    const {error, stderr} = await asc.main([join(sources, 'index.ts'), '--outFile', binary, ...COMMON, ...options]);
    if (error) throw new Error(`build-assembly: ${error.message}\n${stderr}`);
    return readFileSync(binary);
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}

/** Compiles where a source is newer than the result; vitest calls it before the tests. */
export async function setup() {
  const inputs = [fileURLToPath(import.meta.url), ...readdirSync(sources).map(file => join(sources, file))];
  const newest = Math.max(...inputs.map(file => statSync(file).mtimeMs));
  if (!existsSync(output) || statSync(output).mtimeMs <= newest) {
    const lines = ['// Made by scripts/build-assembly.mjs from src/wasm/assembly; not to be edited.'];
    for (const [name, options] of Object.entries(VARIANTS)) {
      const bytes = await compile(options);
      console.log(`build-assembly: ${name}, ${bytes.length} bytes`);
      lines.push(`export const ${name} =\n  '${bytes.toString('base64')}';`);
    }
    await writeFileAtomic(output, `${lines.join('\n')}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setup();
