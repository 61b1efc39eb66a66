// Compiles src/wasm/assembly into src/wasm/binaries.ts, once for a backend with one thread and once for one whose memory is shared.
// Does nothing while the sources are those that the result was made from.
// SPDX-License-Identifier: Apache-2.0
import {createHash} from 'node:crypto';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
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

/** What the result is made from, in a word. Not the files' times: a source that was put back is older than what was made of its rival. */
function fingerprint() {
  const inputs = readdirSync(sources).sort();
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)));
  for (const file of inputs) hash.update(`\0${file}\0`).update(readFileSync(join(sources, file)));
  return hash.digest('hex');
}

/** Compiles where the sources have changed; vitest calls it before the tests. */
export async function setup() {
  const made = `// Made by scripts/build-assembly.mjs from src/wasm/assembly, sha256 ${fingerprint()}; not to be edited.`;
  if (existsSync(output) && readFileSync(output, 'utf8').startsWith(made)) return;
  const lines = [made];
  for (const [name, options] of Object.entries(VARIANTS)) {
    const bytes = await compile(options);
    console.log(`build-assembly: ${name}, ${bytes.length} bytes`);
    lines.push(`export const ${name} =\n  '${bytes.toString('base64')}';`);
  }
  await writeFileAtomic(output, `${lines.join('\n')}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setup();
