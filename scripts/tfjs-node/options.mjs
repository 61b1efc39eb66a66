// The command line of tfjs-node-from-wheel: its words, its defaults, and what it refuses.
// SPDX-License-Identifier: Apache-2.0
import {existsSync, statSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {BuildError} from './command.mjs';

/** The release that the addon was tried with. */
const VERSION = '2.21.0';

export const HELP = `Usage: node scripts/tfjs-node-from-wheel.mjs [options]

Builds the addon of @tensorflow/tfjs-node against the libraries in a Python wheel of TensorFlow, for Linux, and puts both into
node_modules of a project. Where the package is not installed there, it is installed without being saved in package.json.
Needs python3, a C++ compiler, make and nm; some 1.5 GB of disk while it works, 850 MB afterwards.

  --wheel <file.whl>   a wheel that is at hand, in place of a download
  --version <version>  which release of TensorFlow to download with pip (default: ${VERSION})
  --package <name>     tensorflow-cpu or tensorflow (default: tensorflow-cpu; tensorflow on arm64 and with --gpu)
  --into <folder>      the project, a folder with a package.json (default: the current one)
  --gpu                build @tensorflow/tfjs-node-gpu
  --headers <folder>   Node's headers, in include/node of this folder (default: node-gyp finds or downloads them)
  --help               print this
`;

const OPTIONS = {
  wheel: {type: 'string'},
  version: {type: 'string'},
  package: {type: 'string'},
  into: {type: 'string', default: '.'},
  gpu: {type: 'boolean', default: false},
  headers: {type: 'string'},
  help: {type: 'boolean', default: false},
};

/**
 * Reads the command line.
 *
 * @param args Words after the script's name.
 * @returns {help: true}, or {name, wheel or (package and version), project, headers}: name is that of the npm package, paths are absolute.
 * @throws BuildError for an unknown option, for two that contradict each other, and for a file or folder that is not what it should be.
 */
export function parseOptions(args, {arch = process.arch} = {}) {
  const values = parse(args);
  if (values.help) return {help: true};
  const {gpu} = values;
  if (values.wheel !== undefined && (values.version ?? values.package) !== undefined) {
    throw new BuildError('--wheel says which wheel to take; leave out --version and --package.');
  }
  const chosen = values.package ?? (gpu || arch === 'arm64' ? 'tensorflow' : 'tensorflow-cpu');
  if (!['tensorflow-cpu', 'tensorflow'].includes(chosen)) {
    throw new BuildError(`--package must be one of: tensorflow-cpu, tensorflow, but got "${chosen}".`);
  }
  if (gpu && chosen === 'tensorflow-cpu') throw new BuildError('--gpu needs --package tensorflow.');
  const version = values.version ?? VERSION;
  if (!/^\d+\.\d+\.\d+\w*(\.\w+)?$/.test(version)) {
    throw new BuildError(`--version must be a release of TensorFlow such as ${VERSION}, but got "${version}".`);
  }
  const project = resolve(values.into);
  if (!existsSync(join(project, 'package.json'))) {
    throw new BuildError(
      `--into must be a folder with a package.json, but ${project} has none. In a new folder run: npm init -y`,
    );
  }
  const wheel = values.wheel && resolve(values.wheel);
  if (wheel && !(existsSync(wheel) && statSync(wheel).isFile())) {
    throw new BuildError(`--wheel must be a file, but ${wheel} is not.`);
  }
  const headers = values.headers && resolve(values.headers);
  if (headers && !existsSync(join(headers, 'include/node/node_api.h'))) {
    throw new BuildError(`--headers must be a folder with include/node/node_api.h, but ${headers} has none.`);
  }
  const name = gpu ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
  return {name, wheel, package: chosen, version, project, headers};
}

function parse(args) {
  try {
    return parseArgs({args, options: OPTIONS}).values;
  } catch (error) {
    throw new BuildError(`${error.message} See --help.`);
  }
}
