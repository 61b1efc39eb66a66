// The Python wheel of TensorFlow: where it comes from, and what of it the addon of tfjs-node needs.
// SPDX-License-Identifier: Apache-2.0
import {readdir, readFile} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {BuildError, run} from './command.mjs';
import {extract, readDirectory} from './zip.mjs';

/** Which Python's wheel to ask for: no Python code of it runs, and all releases from 2.12 to 2.21 have one for this version. */
const PYTHON = '3.11';

/** Node's names of processors, and those that the name of a wheel ends in. */
const PROCESSORS = {x64: 'x86_64', arm64: 'aarch64'};

/** The C API and what it stands on. */
export const LIBRARIES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];

/**
 * Downloads the wheel of a package into a folder.
 *
 * @returns Its path.
 * @throws BuildError without pip, and where pip finds no such wheel.
 */
export async function download(name, version, folder) {
  const elsewhere = 'A wheel that was downloaded elsewhere can be named by --wheel.';
  const pip = (purpose, args) =>
    run(purpose, 'python3', ['-m', 'pip', ...args]).catch(error => {
      throw error instanceof BuildError ? new BuildError(`${error.message}\n${elsewhere}`) : error;
    });
  await pip('looking for pip', ['--version']);
  const wanted = ['--no-deps', '--only-binary=:all:', '--python-version', PYTHON, '--dest', folder];
  await pip('downloading the wheel', ['download', ...wanted, `${name}==${version}`]);
  const [file] = (await readdir(folder)).filter(entry => entry.endsWith('.whl'));
  return join(folder, file);
}

/**
 * What the name of a wheel says.
 *
 * @returns name, with underscores, and version.
 * @throws BuildError if it is no wheel of TensorFlow, or not one for this platform.
 */
export function parseWheelName(path, {platform = process.platform, arch = process.arch} = {}) {
  const match = /^(tensorflow\w*)-([^-]+)(?:-\d[^-]*)?-[^-]+-[^-]+-([^-]+)\.whl$/.exec(basename(path));
  if (!match) {
    throw new BuildError(
      `${basename(path)} is not the name of a wheel of TensorFlow, such as tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl.`,
    );
  }
  const [, name, version, tags] = match;
  const fits = tags.split('.').some(tag => /linux/.test(tag) && tag.endsWith(`_${PROCESSORS[arch]}`));
  if (!fits || platform !== 'linux') {
    throw new BuildError(`${basename(path)} is for the platform ${tags}, and this machine is ${platform} on ${arch}.`);
  }
  return {name, version};
}

/** The headers that C++ text includes. */
const includesOf = text => Array.from(text.matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm), match => match[1]);

/**
 * Takes the libraries, and the headers that the addon includes at any depth, out of a wheel.
 *
 * @param wheel Path of the wheel.
 * @param sources The text of the addon's files.
 * @param folder Gets lib/ and include/.
 * @returns The text of each of the headers.
 * @throws BuildError if the wheel lacks the C API.
 */
export async function unpack(wheel, sources, folder) {
  const files = await readDirectory(wheel);
  const inWheel = header => `tensorflow/include/${header}`;
  const roots = [...new Set(sources.flatMap(includesOf))].filter(header => header.startsWith('tensorflow/'));
  const expected = [...LIBRARIES.map(library => `tensorflow/${library}`), ...roots.map(inWheel)];
  const missing = expected.filter(name => !files.has(name));
  if (missing.length > 0) {
    throw new BuildError(
      `${basename(wheel)} lacks the C API: it has no ${missing.join(', ')}. Wheels for Linux have it from TensorFlow 2.12 on.`,
    );
  }
  const seen = new Set(roots);
  const texts = [];
  for (const header of seen) {
    const to = join(folder, 'include', header);
    await extract(wheel, files.get(inWheel(header)), to);
    texts.push(await readFile(to, 'utf8'));
    // What the wheel does not have is the compiler's, or behind an #if that does not hold.
    const next = includesOf(texts.at(-1)).filter(name => files.has(inWheel(name)));
    for (const name of next) seen.add(name);
  }
  for (const library of LIBRARIES)
    await extract(wheel, files.get(`tensorflow/${library}`), join(folder, 'lib', library));
  return texts;
}
