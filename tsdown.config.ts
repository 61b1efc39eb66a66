// The build: the library, file by file as in src, and the command with the packages that only it needs inside.
// SPDX-License-Identifier: Apache-2.0
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {defineConfig, type UserConfig} from 'tsdown';

const common: UserConfig = {
  format: 'esm',
  target: ['node20', 'es2022'],
  platform: 'node',
  fixedExtension: false,
  hash: false,
  report: false,
  // The list in package.json speaks of the built files: without this rule the build itself would drop src/register-gradients.ts.
  treeshake: {moduleSideEffects: [{test: /^(?!.*\/node_modules\/).*\/(src|examples)\//, sideEffects: true}]},
  checks: {pluginTimings: false},
};

/** One file a source file, so that a bundler of the user keeps what is imported and an import registers only what it names. */
const library: UserConfig = {
  ...common,
  name: 'library',
  entry: ['src/index.ts', 'src/{estimators,router,layers,training,wasm,node}/index.ts'],
  root: 'src',
  outDir: 'dist',
  unbundle: true,
  sourcemap: true,
  dts: true,
  deps: {onlyBundle: []}, // the peers and dependencies stay imports
};

/** Never part of the bundle: what a program shares with the user's own code, and what a user adds by choice. */
const EXTERNAL = [/^tfjs-moe(\/|$)/, /^@tensorflow\//, /^(bullmq|ioredis|mnist|webgpu|write-file-atomic)(\/|$)/];

/**
 * The command and its programs. They import the library by its own name, which the package's exports resolve, so that one copy of each
 * layer class is registered. The packages bundled here are devDependencies: who installs the library does not install charts.
 */
const command: UserConfig = {
  ...common,
  name: 'command',
  entry: ['src/bin/tfjs-moe.ts'],
  root: 'src/bin',
  outDir: 'dist/bin',
  dts: false,
  deps: {neverBundle: EXTERNAL, onlyBundle: false},
  inputOptions: {
    resolve: {
      // Some builds that "main" names have other packages pasted in, whose licences no tool could find.
      mainFields: ['module', 'main'],
      // The build for browsers loads by the built-in fetch; the one for Node brings a package for it.
      alias: {'vega-loader': 'vega-loader/build/vega-loader.browser.module.js'},
    },
  },
  plugins: [thirdPartyLicenses('THIRD-PARTY-LICENSES.txt')],
};

/**
 * Writes the licences of the bundled packages beside the bundle, as they ask. rollup-plugin-license does the same but installs a second
 * bundler, rollup, as its peer.
 */
function thirdPartyLicenses(fileName: string) {
  return {
    name: 'third-party-licenses',
    generateBundle(
      this: {emitFile(file: {type: 'asset'; fileName: string; source: string}): void},
      _options: unknown,
      bundle: Record<string, {moduleIds?: string[]}>,
    ): void {
      const modules = Object.values(bundle).flatMap(({moduleIds = []}) => moduleIds);
      // The innermost package of a path: .../node_modules/<name> or .../node_modules/@<scope>/<name>.
      const folders = modules.flatMap(id => id.match(/^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []);
      const texts = licensesOf([...new Set(folders)]).sort();
      const rule = `\n\n${'-'.repeat(80)}\n\n`;
      const source = ['The command tfjs-moe contains these packages, each under its own licence.', ...texts].join(rule);
      this.emitFile({type: 'asset', fileName, source: `${source}\n`});
    },
  };
}

/**
 * Name, version and licence files of installed packages. Some packages of a repository (Vega's) come without the file that others of it
 * have; they get it from those. A package without any licence text may not be handed on: the build stops.
 */
function licensesOf(folders: string[]): string[] {
  const packages = folders.map(folder => {
    const {name, version, license, repository} = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter(file => /^(licen[cs]e|copying|notice)/i.test(file));
    const text = files.map(file => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n');
    return {title: `${name} ${version} (${license})`, text, origin: JSON.stringify([repository ?? name, license])};
  });
  return packages.map(({title, text, origin}) => {
    const terms = text || packages.find(other => other.origin === origin && other.text)?.text;
    if (!terms) throw new Error(`third-party-licenses: ${title} has no licence text.`);
    return `${title}\n\n${terms}`;
  });
}

export default defineConfig([library, command]);
