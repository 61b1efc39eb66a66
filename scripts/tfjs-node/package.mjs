// The npm package tfjs-node in a project: its sources, the places of its addon and libraries, and what Node 23 broke in it.
// SPDX-License-Identifier: Apache-2.0
import {existsSync, realpathSync} from 'node:fs';
import {cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {BuildError, run} from './command.mjs';
import {LIBRARIES} from './wheel.mjs';

/** The release that this was written for; an installed one is taken as it is. */
const RELEASE = '4.22.0';

/** Where the package looks for its addon: the newest Node-API that it lists. */
const ADDON = 'lib/napi-v8/tfjs_binding.node';

/** What of the package the addon is made from. */
const SOURCES = ['binding', 'binding.gyp'];

/** Says in the package which wheel its libraries are from. */
const RECORD = 'deps/from-wheel.json';

/** The package's folder in a project, or undefined where it is not installed. */
export function find(name, project) {
  const folder = join(project, 'node_modules', name);
  return existsSync(join(folder, 'package.json')) ? realpathSync(folder) : undefined;
}

/** Which wheel the libraries in the package's folder are from, by its file name; undefined without any. */
export async function builtFrom(folder) {
  const record = join(folder, RECORD);
  return existsSync(record) && existsSync(join(folder, ADDON))
    ? JSON.parse(await readFile(record, 'utf8')).wheel
    : undefined;
}

/**
 * Puts the sources of the addon, binding.gyp and binding/, into a new folder.
 *
 * @param installed The package's folder, or undefined to take the release from npm.
 */
export async function fetchSources(name, installed, folder) {
  await mkdir(folder);
  if (installed) {
    for (const part of SOURCES) await cp(join(installed, part), join(folder, part), {recursive: true});
    return;
  }
  const archive = await run('downloading the npm package', 'npm', ['pack', '--silent', `${name}@${RELEASE}`], {
    cwd: folder,
  });
  const parts = SOURCES.map(part => `package/${part}`);
  const options = ['--extract', '--gzip', '--strip-components=1', '--file', archive.trim()];
  await run('unpacking the npm package', 'tar', [...options, ...parts], {cwd: folder});
}

/** The text of every file of the addon. */
export async function readSources(folder) {
  const files = await readdir(join(folder, 'binding'));
  return Promise.all(files.map(file => readFile(join(folder, 'binding', file), 'utf8')));
}

/**
 * Compiles the addon against deps/include and deps/lib of its folder, loads it once, and brings the folder into the form that `place` takes.
 *
 * @param options.headers A folder whose include/node has Node's headers. Default: node-gyp finds or downloads them.
 * @param options.wheel Name of the wheel, for the record.
 */
export async function compile(folder, {headers, wheel}) {
  for (const library of LIBRARIES) {
    // The names that binding.gyp links by.
    await symlink(library, join(folder, 'deps/lib', library.replace(/(_cc)?\.so\.2$/, '.so')));
  }
  const gyp = ['node-gyp', 'rebuild', '--module_name=tfjs_binding', '--module_path=./lib', '--napi_build_version=8'];
  if (headers) gyp.push(`--nodedir='${headers.replaceAll("'", `'\\''`)}'`);
  // A script of a package finds the node-gyp that npm brings along.
  await writeFile(join(folder, 'package.json'), JSON.stringify({private: true, scripts: {build: gyp.join(' ')}}));
  await run('compiling the addon', 'npm', ['run', 'build'], {cwd: folder, env: {JOBS: 'max'}});
  await mkdir(dirname(join(folder, ADDON)), {recursive: true});
  await rename(join(folder, 'build/Release/tfjs_binding.node'), join(folder, ADDON));
  await rm(join(folder, 'deps/include'), {recursive: true});
  await writeFile(join(folder, RECORD), `${JSON.stringify({wheel})}\n`);
  // Every symbol is looked up at once, not at its first use.
  await run('loading the addon', process.execPath, ['-e', `require(${JSON.stringify(join(folder, ADDON))})`], {
    env: {LD_BIND_NOW: '1'},
  });
}

/**
 * Installs the package without its own download. package.json and the lock file stay as they are.
 *
 * @returns Its folder.
 */
export async function install(name, project) {
  // As a dependency: a package.json that has it as an optional peer would leave it out.
  const quietly = ['--no-save', '--save-prod', '--ignore-scripts', '--no-audit', '--no-fund'];
  const output = await run('installing the npm package', 'npm', ['install', ...quietly, `${name}@${RELEASE}`], {
    cwd: project,
  });
  const folder = find(name, project);
  if (!folder) throw new BuildError(`npm left ${name} out of ${project}:\n${output}`);
  return folder;
}

/** Takes the package out of a project again. */
export async function uninstall(name, project) {
  await run('removing the npm package', 'npm', ['uninstall', '--no-save', '--ignore-scripts', name], {cwd: project});
}

/**
 * Moves the addon and its libraries from the folder in which they were built into the package, on the same disk.
 *
 * @returns A function that brings back what was there before.
 */
export async function place(built, folder) {
  const undone = [];
  const undo = async () => {
    for (const [from, to] of undone.splice(0).reverse()) await rename(to, from);
  };
  const move = async (from, to) => {
    await rename(from, to);
    undone.push([from, to]);
  };
  try {
    for (const part of ['deps', 'lib']) {
      if (existsSync(join(folder, part))) await move(join(folder, part), join(built, `former-${part}`));
      await move(join(built, part), join(folder, part));
    }
  } catch (error) {
    await undo();
    throw error;
  }
  return undo;
}

/** Writes in place of two functions of `util` that Node 23 removed what they stand for, as the unreleased source of tfjs-node does. */
export function withoutRemovedFunctions(code) {
  return code
    .replace(/\(0, util_1\.isNullOrUndefined\)\((\w+)\)/g, '($1 == null)')
    .replace(/\(0, util_1\.isArray\)\((\w+)\)/g, 'Array.isArray($1)');
}

/** Mends the files of the package that call such functions (https://github.com/tensorflow/tfjs/issues/8609). */
export async function mend(folder) {
  for (const file of ['dist/nodejs_kernel_backend.js', 'dist/kernels/TopK.js']) {
    const path = join(folder, file);
    const code = await readFile(path, 'utf8');
    const mended = withoutRemovedFunctions(code);
    if (mended === code) continue;
    await writeFile(`${path}.new`, mended);
    await rename(`${path}.new`, path);
  }
}

/** Multiplies with the package as a program of the project would. @returns The version of TensorFlow. */
export async function tryOut(name, project) {
  const program = `
    const tf = require(${JSON.stringify(name)});
    const [product] = tf.matMul([[2]], [[3]]).dataSync();
    if (product !== 6 || tf.getBackend() !== 'tensorflow') throw new Error('2 times 3 gave ' + product);
    console.log(tf.backend().binding.TF_Version);`;
  return run('trying the package', process.execPath, ['-e', program], {cwd: project});
}
