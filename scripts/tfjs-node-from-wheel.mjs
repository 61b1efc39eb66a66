// Builds tfjs-node against the TensorFlow of a Python wheel, where its own download is out of reach or too old: docs/guides/tfjs-node.md.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, rm, rmdir} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {BuildError, interruption, run} from './tfjs-node/command.mjs';
import {HELP, parseOptions} from './tfjs-node/options.mjs';
import {
  builtFrom,
  compile,
  fetchSources,
  find,
  install,
  mend,
  place,
  readSources,
  tryOut,
  uninstall,
} from './tfjs-node/package.mjs';
import {checkSymbols, neededSymbols} from './tfjs-node/symbols.mjs';
import {download, LIBRARIES, parseWheelName, unpack} from './tfjs-node/wheel.mjs';

const say = text => console.log(`tfjs-node-from-wheel: ${text}`);

/** Refuses a machine on which the build cannot end well, before anything is downloaded. */
async function checkMachine() {
  const {header} = process.report.getReport();
  if (process.platform !== 'linux' || !header.glibcVersionRuntime) {
    throw new BuildError(`wheels hold these libraries for Linux with glibc; this is ${process.platform}.`);
  }
  await run('node-gyp', 'python3', ['--version']);
  await run('compiling', process.env.CXX ?? 'c++', ['--version']);
  await run('compiling', 'make', ['--version']);
  await run('listing the symbols', 'nm', ['--version']);
}

/** Tells whether the package was built from the wheel that is asked for. */
async function isBuilt(installed, options) {
  const wheel = installed && (await builtFrom(installed));
  if (!wheel) return false;
  if (options.wheel) return wheel === basename(options.wheel);
  const {name, version} = parseWheelName(wheel);
  return name === options.package.replaceAll('-', '_') && version === options.version;
}

/** Downloads, unpacks, checks and compiles, all within one folder. @returns The folder that `place` takes. */
async function build(installed, options, folder) {
  if (options.wheel) parseWheelName(options.wheel);
  const sourceFolder = join(folder, 'addon');
  await fetchSources(options.name, installed, sourceFolder);
  if (!options.wheel) say(`downloading ${options.package} ${options.version}, some hundred MB ...`);
  const wheel = options.wheel ?? (await download(options.package, options.version, folder));
  parseWheelName(wheel);
  say(`unpacking ${basename(wheel)} ...`);
  const sources = await readSources(sourceFolder);
  const deps = join(sourceFolder, 'deps');
  const headers = await unpack(wheel, sources, deps);
  if (!options.wheel) await rm(wheel);
  const needed = neededSymbols(sources, headers);
  const libraries = LIBRARIES.map(library => join(deps, 'lib', library));
  say(`looking for the ${needed.length} functions of the C API ...`);
  await checkSymbols(needed, libraries);
  say('compiling the addon ...');
  await compile(sourceFolder, {headers: options.headers, wheel: basename(wheel)});
  return sourceFolder;
}

/** Puts what was built into the project; after a failure the project is as before. */
async function putInto(built, installed, {name, project}) {
  if (!installed) say(`installing ${name}; package.json stays as it is ...`);
  const folder = installed ?? (await install(name, project));
  const undo = await place(built, folder);
  try {
    await mend(folder);
    return await tryOut(name, project);
  } catch (error) {
    await undo();
    if (!installed) await uninstall(name, project);
    throw error;
  }
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return void process.stdout.write(HELP);
  const {name, project} = options;
  await checkMachine();
  const installed = find(name, project);
  if (await isBuilt(installed, options)) {
    await mend(installed);
    return say(`${name} is built already and computes with TensorFlow ${await tryOut(name, project)}.`);
  }
  // Beside the package, so that the results can be moved there in one step; npm does not look at names with a dot.
  const modules = join(project, 'node_modules');
  const isFirst = !existsSync(modules);
  await mkdir(modules, {recursive: true});
  const folder = await mkdtemp(join(modules, '.tfjs-node-from-wheel-'));
  try {
    const built = await build(installed, options, folder);
    say(`${name} computes with TensorFlow ${await putInto(built, installed, options)}.`);
  } finally {
    await rm(folder, {recursive: true, force: true, maxRetries: 3});
    if (isFirst) await rmdir(modules).catch(() => {}); // where something is in it by now, it stays
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interruption.abort());
try {
  await main();
} catch (error) {
  if (!(error instanceof BuildError) && !interruption.signal.aborted) throw error;
  console.error(`tfjs-node-from-wheel: ${interruption.signal.aborted ? 'stopped.' : error.message}`);
  process.exitCode = 1;
}
