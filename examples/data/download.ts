// Fetches a published file from the first mirror that has it, checks it, and keeps it in the user's cache folder.
// SPDX-License-Identifier: Apache-2.0
import {createHash} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {Readable} from 'node:stream';
import type {ReadableStream as WebStream} from 'node:stream/web';
import {ValueError, writeAtomically} from 'tfjs-moe/node';
import {gunzipIfPacked} from './idx.js';

/** A file that is published under several addresses. */
export interface PublishedFile {
  name: string;
  /** Of the unpacked content, as hexadecimal: the mirrors differ in how they packed it. */
  sha256: string;
}

/** Where and how to fetch. */
export interface DownloadOptions {
  /** Addresses of folders, each ending in a slash, in the order in which they are tried. */
  mirrors: readonly string[];
  /** The folder that keeps the files. */
  cache: string;
  /** What else the user can do, for the error where no mirror answers. */
  otherWays: string;
  /** Is told of each step in a line. */
  report?: (line: string) => void;
  /** The time that a mirror may stay silent, in seconds. */
  patience?: number;
}

/** The user's cache folder for a data set, by the habits of the system. */
export function cacheFolder(name: string): string {
  const {XDG_CACHE_HOME, LOCALAPPDATA} = process.env;
  const home = homedir();
  const root =
    process.platform === 'win32'
      ? (LOCALAPPDATA ?? join(home, 'AppData', 'Local'))
      : (XDG_CACHE_HOME ?? (process.platform === 'darwin' ? join(home, 'Library', 'Caches') : join(home, '.cache')));
  return join(root, 'tfjs-moe', name);
}

/**
 * The content of a published file: from the cache if it is there and intact, else from the first mirror whose copy has the right checksum.
 *
 * @throws ValueError that lists what each mirror said, where none has the file.
 */
export async function download(file: PublishedFile, options: DownloadOptions): Promise<Uint8Array> {
  const {mirrors, cache, otherWays, report = () => {}, patience = 30} = options;
  const kept = join(cache, file.name);
  const cached = await readFile(kept).catch(() => undefined);
  if (cached && isIntact(cached, file)) return cached;
  const failures: string[] = [];
  for (const mirror of mirrors) {
    const url = mirror + file.name;
    try {
      report(`downloading ${url}`);
      const bytes = await fetchBytes(url, patience);
      if (!isIntact(bytes, file)) throw new Error('the checksum differs');
      await writeAtomically(kept, bytes);
      report(`  ${(bytes.length / 1e6).toFixed(1)} MB, kept as ${kept}`);
      return bytes;
    } catch (error) {
      const {message, cause} = error as Error & {cause?: {code?: string}};
      failures.push(`${url}: ${cause?.code ?? message}`);
      report(`  failed: ${cause?.code ?? message}`);
    }
  }
  throw new ValueError(`download: ${file.name} could not be had (${failures.join('; ')}). ${otherWays}`);
}

async function fetchBytes(url: string, patience: number): Promise<Uint8Array> {
  const stop = new AbortController();
  // The clock starts again with each piece, so that a slow line is not a silent one.
  let clock = setTimeout(() => stop.abort(), patience * 1000);
  try {
    const response = await fetch(url, {signal: stop.signal});
    if (!response.ok || !response.body) throw new Error(`HTTP status ${response.status}`);
    const pieces: Uint8Array[] = [];
    for await (const piece of Readable.fromWeb(response.body as WebStream)) {
      pieces.push(piece);
      clearTimeout(clock);
      clock = setTimeout(() => stop.abort(), patience * 1000);
    }
    return Buffer.concat(pieces);
  } catch (error) {
    throw stop.signal.aborted ? new Error(`no answer for ${patience} s`) : error;
  } finally {
    clearTimeout(clock);
  }
}

function isIntact(bytes: Uint8Array, {name, sha256}: PublishedFile): boolean {
  try {
    return createHash('sha256').update(gunzipIfPacked(bytes, name)).digest('hex') === sha256;
  } catch {
    return false; // cut short inside the gzip
  }
}
