// The build: the library, file by file as in src, and the command with the packages that only it needs inside.
// SPDX-License-Identifier: Apache-2.0
import licensePlugin, {type Dependency} from 'rollup-plugin-license';
import {defineConfig, type UserConfig} from 'tsdown';

// Its typings put the plugin under `default`, where its module is the plugin itself.
const license = licensePlugin as unknown as typeof licensePlugin.default;

const common: UserConfig = {
  format: 'esm',
  target: ['node20', 'es2022'],
  platform: 'node',
  fixedExtension: false,
  hash: false,
  report: false,
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
const EXTERNAL = [/^tfjs-moe(\/|$)/, /^@tensorflow\//, /^(mnist|webgpu|write-file-atomic)(\/|$)/];

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
  // Some builds that "main" names have other packages pasted in, whose licences no tool could find.
  inputOptions: {resolve: {mainFields: ['module', 'main']}},
  plugins: [
    license({
      thirdParty: {
        // A package without a licence may not be handed on: such a bundle is refused.
        allow: {test: ({license: name}: Dependency) => Boolean(name), failOnUnlicensed: true, failOnViolation: true},
        output: {file: 'dist/bin/THIRD-PARTY-LICENSES.txt', template: licenseTexts},
      },
    }),
  ],
};

/** What the bundled packages ask to be handed on with them. */
function licenseTexts(dependencies: Dependency[]): string {
  const texts = dependencies
    .toSorted((a, b) => (a.name ?? '').localeCompare(b.name ?? ''))
    .map(({name, version, license: terms, licenseText, noticeText}) =>
      [`${name} ${version} (${terms})`, licenseText?.trim(), noticeText?.trim()].filter(Boolean).join('\n\n'),
    );
  const rule = `\n\n${'-'.repeat(80)}\n\n`;
  return `The command tfjs-moe contains these packages, each under its own licence.${rule}${texts.join(rule)}\n`;
}

export default defineConfig([library, command]);
