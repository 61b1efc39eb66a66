// Files of images of 28 x 28: where a data set's lie, and what they hold.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {cacheFolder, download, type PublishedFile} from './download.js';
import {parseAmat, parseIdx} from './idx.js';

/** Pixels of an image: 28 rows of 28. */
export const PIXELS = 784;

const SIDE = 28;

/** Images, row by row. */
export interface ImageSet {
  /** [count, 784] in row-major order; 0 is background and 255 is ink, or 1 in a binary set. */
  images: Uint8Array;
  count: number;
}

/** A file of a data set; only one that is downloaded needs a checksum. */
export type DataFile = Pick<PublishedFile, 'name'> &
  Partial<PublishedFile> & {
    /** Another name, of another format, under which it may lie in a folder. */
    alsoNamed?: string;
  };

/** Where a user may have a data set. */
export interface SourceOptions {
  /** A folder with the data set's files, packed by gzip or not. */
  dataDir?: string | undefined;
  /** Fetch the files from their mirrors, once; they are kept in the user's cache folder. */
  download?: boolean | undefined;
  /** Whether the variable TFJS_MOE_DATA counts. Default true; false for a run that must have the data that it had. */
  environment?: boolean | undefined;
  /** Is told of each step of a download. */
  report?: ((line: string) => void) | undefined;
}

/** A data set that lies in files. */
export interface FileCollection {
  /** The function that errors name. */
  owner: string;
  /** Of the folder under TFJS_MOE_DATA and of the one in the cache. */
  name: string;
  /** Addresses of folders, each ending in a slash. */
  mirrors: readonly string[];
  /** What the user can do, for errors. */
  ways: string;
}

/** Where files were found. */
export interface FileSource {
  /** The folder, absolute, where it is one. */
  folder?: string;
  /** Gives a file's bytes, and a name for errors. */
  read: (file: DataFile) => Promise<{path: string; bytes: Uint8Array}>;
}

/** The first source that applies: dataDir, download, the variable TFJS_MOE_DATA. A folder that dataDir names need not have the files. */
export function findSource(
  collection: FileCollection,
  {dataDir, download: fetchFiles, environment = true, report}: SourceOptions,
): FileSource | undefined {
  if (dataDir !== undefined) return folderSource(collection, dataDir);
  if (fetchFiles) return mirrorSource(collection, report);
  const shared = environment && process.env.TFJS_MOE_DATA && join(process.env.TFJS_MOE_DATA, collection.name);
  if (shared && existsSync(shared)) return folderSource(collection, shared);
  if (shared) report?.(`TFJS_MOE_DATA is set, but there is no folder ${shared}.`);
  return undefined;
}

/** The files of a folder. */
export function folderSource({owner, ways}: FileCollection, folder: string): FileSource {
  const read = async (file: DataFile) => {
    const candidates = candidatePaths(folder, file);
    const path = candidates.find(existsSync);
    if (!path) throw new ValueError(`${owner}: ${candidates.join(' and ')} do not exist. ${ways}`);
    try {
      return {path, bytes: await readFile(path)};
    } catch (error) {
      throw new ValueError(`${owner}: ${path} cannot be read: ${(error as Error).message}.`, {cause: error});
    }
  };
  return {folder: resolve(folder), read};
}

/** Whether a folder has the file, under any of its names. */
export function hasFile(folder: string, file: DataFile): boolean {
  return candidatePaths(folder, file).some(existsSync);
}

function candidatePaths(folder: string, {name, alsoNamed}: DataFile): string[] {
  const names = alsoNamed === undefined ? [name] : [name, alsoNamed];
  const plain = names.map(file => join(folder, file.replace(/\.gz$/, '')));
  return plain.flatMap(path => [`${path}.gz`, path]);
}

function mirrorSource({owner, name, mirrors, ways}: FileCollection, report?: (line: string) => void): FileSource {
  const options = {mirrors, cache: cacheFolder(name), otherWays: ways, ...(report && {report})};
  const read = async ({name: fileName, sha256}: DataFile) => {
    if (mirrors.length === 0 || sha256 === undefined) {
      throw new ValueError(`${owner}: ${name} cannot be downloaded, since no mirror of it is known. ${ways}`);
    }
    return {path: fileName, bytes: await download({name: fileName, sha256}, options)};
  };
  return {read};
}

/**
 * Reads a file of images.
 *
 * @param isBinary Whether its bytes must be 0 and 1.
 * @throws ValueError where the file is damaged, or holds something else.
 */
export async function readImages(
  owner: string,
  {read}: FileSource,
  file: DataFile,
  {isBinary = false}: {isBinary?: boolean} = {},
): Promise<ImageSet & {path: string}> {
  const {path, bytes} = await read(file);
  const isText = /\.amat(\.gz)?$/.test(path);
  const {shape, data} = isText ? parseAmat(bytes, path, PIXELS) : parseIdx(bytes, path, 3);
  const [count, ...sides] = shape as [number, ...number[]];
  if (!isText && (sides[0] !== SIDE || sides[1] !== SIDE)) {
    throw new ValueError(`${owner}: ${path} must hold images of 28 x 28, but they are ${sides.join(' x ')}.`);
  }
  if (count === 0) throw new ValueError(`${owner}: ${path} holds no images.`);
  const wrong = isBinary ? data.find(value => value > 1) : undefined;
  if (wrong !== undefined) throw new ValueError(`${owner}: ${path} must hold 0 and 1 only, but has a ${wrong}.`);
  return {path, images: data, count};
}

/** Refuses a limit that the training images do not have; `kind` names them. */
export function checkLimit(owner: string, limit: number, count: number, kind: string): void {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > count) {
    throw new ValueError(`${owner}: limit must be a whole number from 1 to ${count}, ${kind}, but got ${limit}.`);
  }
}
