// Replaces a file as a whole: whoever opens it finds the old content or the new, and never a part.
// SPDX-License-Identifier: Apache-2.0
import {mkdir, rename, rm, stat} from 'node:fs/promises';
import {dirname} from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import {ValueError} from '../errors.js';

/**
 * Writes a file so that no reader ever sees a part of it, also when the process is killed: the bytes go to a second file, are
 * flushed to the disk, and then take the name. Missing parent folders are made.
 *
 * @param path The file to write or to replace.
 * @param data Its whole content; a string is written as UTF-8.
 * @throws ValueError if the disk took only a part of the bytes; the former file then stands untouched.
 */
export async function writeAtomically(path: string, data: Uint8Array | string): Promise<void> {
  const bytes =
    typeof data === 'string' ? Buffer.from(data, 'utf8') : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  await mkdir(dirname(path), {recursive: true});
  // write-file-atomic does not ask how many bytes the system took, and a disk that is nearly full takes a few: so the size is
  // checked under a name of passage, and only then does the file take its place.
  const staged = `${path}.part`;
  await writeFileAtomic(staged, bytes);
  const {size} = await stat(staged);
  if (size !== bytes.length) {
    await rm(staged, {force: true});
    throw new ValueError(
      `writeAtomically: only ${size} of ${bytes.length} bytes could be written for ${path}. Is the disk full?`,
    );
  }
  await rename(staged, path);
}
