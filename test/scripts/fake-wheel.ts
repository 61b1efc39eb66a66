// Makes small wheels of TensorFlow for the tests: archives of a few short files, some packed, some stored.
// SPDX-License-Identifier: Apache-2.0
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {crc32, deflateRawSync} from 'node:zlib';

/** A name that this machine's wheels have. */
export const WHEEL_NAME = `tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.whl`;

/** The C API in three headers, one of which another includes, two libraries, and a file that nobody needs. */
export const WHEEL_FILES: Record<string, string> = {
  'tensorflow/__init__.py': 'raise ImportError',
  'tensorflow/include/tensorflow/c/c_api.h': '#include <stddef.h>\n#include "tsl/c/status.h"\n',
  'tensorflow/include/tensorflow/c/unused.h': '// nobody includes it\n',
  'tensorflow/include/tsl/c/status.h': '#ifdef NEVER\n#include "tsl/c/absent.h"\n#endif\n',
  'tensorflow/libtensorflow_cc.so.2': 'cc'.repeat(5000),
  'tensorflow/libtensorflow_framework.so.2': 'framework',
};

/** The bytes of a ZIP archive; every second file is stored as it is. */
export function zip(files: Record<string, string>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [i, [name, text]] of Object.entries(files).entries()) {
    const data = Buffer.from(text);
    const packed = i % 2 === 0 ? deflateRawSync(data) : data;
    // What both headers share, APPNOTE 4.3.7 from "version needed" to "extra field length".
    const common = Buffer.alloc(26);
    common.writeUInt16LE(i % 2 === 0 ? 8 : 0, 4);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00'), common, place, Buffer.from(name));
    parts.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, ...directory, Buffer.from('PK\x05\x06'), end]);
}

/** Writes a wheel of these files into a folder. @returns Its path. */
export async function writeWheel(folder: string, files = WHEEL_FILES, name = WHEEL_NAME): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, zip(files));
  return path;
}
