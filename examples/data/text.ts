// Text as bytes: a file of the user's, or the declarations that the TypeScript compiler comes with.
// SPDX-License-Identifier: Apache-2.0
import {readdir, readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {dirname, join, resolve} from 'node:path';
import {ValueError} from 'tfjs-moe/node';

/** A text, its end held out. */
export interface TextData {
  /** Where the text came from, in a line that results may quote. */
  source: string;
  /** The file that it was read from, absolute, where the user named one. */
  file: string | undefined;
  train: Uint8Array;
  /** The last tenth, which no step sees. */
  heldOut: Uint8Array;
}

/** Which text to load. */
export interface TextOptions {
  /** Any file; its bytes are taken as they are. Default: the declarations of the TypeScript compiler. */
  text?: string | undefined;
  /** How many bytes a window of the model has: each part must hold one at least. */
  window: number;
  /** Finds a module's file; a test may say that there is none. */
  resolveModule?: (name: string) => string;
}

const DECLARATIONS = /^lib\..*\.d\.ts$/;
/** One byte in so many is held out. */
const HELD_OUT = 10;

/**
 * Loads a text and parts it: the last tenth is held out.
 *
 * @throws ValueError where the file cannot be read or is too short, and where neither a file is named nor the package is installed.
 */
export async function loadText({text, window, resolveModule = resolveHere}: TextOptions): Promise<TextData> {
  const {name, bytes, file} = text === undefined ? await readDeclarations(resolveModule) : await readText(text);
  const boundary = bytes.length - Math.floor(bytes.length / HELD_OUT);
  const [train, heldOut] = [bytes.subarray(0, boundary), bytes.subarray(boundary)];
  if (heldOut.length < window) {
    throw new ValueError(
      `--text: ${name} has ${count(bytes)} bytes, but a tenth of it, which is held out, must hold a window of ${window} bytes: ` +
        `${count({length: window * HELD_OUT})} at least. Take a longer text, or a smaller --context.`,
    );
  }
  const source = `${name}, ${count(bytes)} bytes: ${count(train)} to train on, the last ${count(heldOut)} held out`;
  return {source, file, train, heldOut};
}

async function readText(text: string): Promise<{name: string; bytes: Uint8Array; file: string}> {
  const file = resolve(text);
  try {
    return {name: text, bytes: await readFile(file), file};
  } catch (error) {
    throw new ValueError(`--text: ${text} cannot be read: ${(error as Error).message}.`, {cause: error});
  }
}

async function readDeclarations(resolveModule: (name: string) => string) {
  let folder: string;
  try {
    folder = dirname(resolveModule('typescript'));
  } catch (error) {
    throw new ValueError(
      'moe-lm: the package "typescript", whose declarations are the text, is not installed. Name a text with --text <file>, ' +
        'or npm install typescript.',
      {cause: error},
    );
  }
  const names = (await readdir(folder)).filter(name => DECLARATIONS.test(name)).sort();
  const files = await Promise.all(names.map(name => readFile(join(folder, name))));
  const {version} = JSON.parse(await readFile(join(folder, '..', 'package.json'), 'utf8'));
  const name = `lib.*.d.ts of TypeScript ${version}, ${names.length} files`;
  return {name, bytes: new Uint8Array(Buffer.concat(files)), file: undefined};
}

function resolveHere(name: string): string {
  // Beside this program, or where the user works.
  return createRequire(import.meta.url).resolve(name, {paths: [import.meta.dirname, process.cwd()]});
}

const count = ({length}: {length: number}) => length.toLocaleString('en-US');
