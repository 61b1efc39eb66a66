// Reads single files out of a ZIP archive, which is what a Python wheel is.
// SPDX-License-Identifier: Apache-2.0
import {createReadStream, createWriteStream} from 'node:fs';
import {mkdir, open} from 'node:fs/promises';
import {dirname} from 'node:path';
import {PassThrough, Transform} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {crc32, createInflateRaw} from 'node:zlib';
import {BuildError, interruption} from './command.mjs';

// Sizes and signatures of "APPNOTE.TXT - .ZIP File Format Specification" 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
const LOCAL_HEADER = 30;
const CENTRAL_HEADER = 46;
const CENTRAL_SIGNATURE = 0x02014b50;
const END = 22;
const END_SIGNATURE = 0x06054b50;
const LONGEST_COMMENT = 0xffff;
/** In place of a number that stands in the ZIP64 records. */
const IN_ZIP64 = 0xffffffff;

/**
 * The files of an archive by name: {offset, method, crc, compressedSize, size}, sizes in bytes.
 *
 * @throws BuildError if the file is no ZIP archive, or one of more than 4 GiB.
 */
export async function readDirectory(archive) {
  const file = await open(archive);
  try {
    const {size} = await file.stat();
    const tail = await readAt(file, Math.max(0, size - END - LONGEST_COMMENT), Math.min(size, END + LONGEST_COMMENT));
    const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
    if (end < 0 || tail.readUInt32LE(end) !== END_SIGNATURE || tail.length - end < END) {
      throw new BuildError(`${archive} is no wheel: it is not a ZIP archive, or its end is missing.`);
    }
    const start = tail.readUInt32LE(end + 16);
    if (start === IN_ZIP64) throw new BuildError(`${archive} has more than 4 GiB, which this script does not read.`);
    return parse(await readAt(file, start, tail.readUInt32LE(end + 12)), archive);
  } finally {
    await file.close();
  }
}

function parse(directory, archive) {
  const files = new Map();
  for (let at = 0; at + CENTRAL_HEADER <= directory.length; ) {
    if (directory.readUInt32LE(at) !== CENTRAL_SIGNATURE) throw new BuildError(`${archive} has a broken directory.`);
    const nameEnd = at + CENTRAL_HEADER + directory.readUInt16LE(at + 28);
    files.set(directory.toString('utf8', at + CENTRAL_HEADER, nameEnd), {
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      compressedSize: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      offset: directory.readUInt32LE(at + 42),
    });
    at = nameEnd + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return files;
}

/**
 * Writes one file of the archive, as `readDirectory` describes it, to a place whose folder is made where it is missing.
 *
 * @throws BuildError if the bytes are not those that were packed.
 */
export async function extract(archive, entry, to) {
  const {offset, method, compressedSize, size, crc} = entry;
  if (method !== 0 && method !== 8) throw new BuildError(`${archive} is packed in a way (${method}) not known here.`);
  const file = await open(archive);
  const header = await readAt(file, offset, LOCAL_HEADER).finally(() => file.close());
  const start = offset + LOCAL_HEADER + header.readUInt16LE(26) + header.readUInt16LE(28);
  const found = {crc: 0, size: 0};
  const count = new Transform({
    transform(chunk, _encoding, done) {
      found.crc = crc32(chunk, found.crc);
      found.size += chunk.length;
      done(null, chunk);
    },
  });
  await mkdir(dirname(to), {recursive: true});
  try {
    await pipeline(
      // A stream cannot have an end before its start.
      compressedSize > 0
        ? createReadStream(archive, {start, end: start + compressedSize - 1})
        : new PassThrough().end(),
      method === 8 ? createInflateRaw() : new PassThrough(),
      count,
      createWriteStream(to),
      {signal: interruption.signal},
    );
  } catch (error) {
    if (!/^(Z_|ERR_Z)/.test(error.code ?? '')) throw error;
    throw new BuildError(`${archive} is damaged: ${error.message}.`);
  }
  if (found.size !== size || found.crc !== crc) throw new BuildError(`${archive} is damaged: download it anew.`);
}

async function readAt(file, position, length) {
  const {buffer, bytesRead} = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
