// The lab of codes without its page: the asset, the coder and the drawing that is made a digit.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-backend-wasm';
import {readFile, stat} from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {DiscreteVAE, klToUniform, sumBinaryCrossentropy} from 'tfjs-moe';
import {fileSystem} from 'tfjs-moe/node';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {type About, type Digit, PIXELS, readDigits, SIDE} from '../../docs/playground/src/codes/asset.js';
import {centerDigit} from '../../docs/playground/src/codes/center-digit.js';
import {Coder, changed, neighbours, ownIndex, walk} from '../../docs/playground/src/codes/coder.js';
import {loadMnist} from '../../examples/data/mnist.js';
import {evaluate} from '../../examples/mnist-vae/evaluate.js';

const FOLDER = 'docs/playground/public/vae';
/** One draw in a thousand digits may fall otherwise where sums round otherwise; a draw changes a digit's bound by some ten nats. */
const ROUNDING = 0.02;

let vae: DiscreteVAE;
let about: About;
let digits: Digit[];
let bytes: Uint8Array;
let coder: Coder;

beforeAll(async () => {
  await tf.setBackend('wasm');
  const model = await tfl.loadLayersModel(fileSystem(FOLDER));
  vae = new DiscreteVAE(model);
  coder = new Coder(vae);
  about = model.getUserDefinedMetadata() as About;
  bytes = await readFile(`${FOLDER}/${about.digits.file}`);
  digits = readDigits(bytes, about.digits.labels);
});
afterAll(() => vae.model.dispose());

describe('the asset', () => {
  test('its digits have the bound that it says', async () => {
    const labels = Uint8Array.from(about.digits.labels);
    const {negativeElbo} = await evaluate(vae, {images: bytes, labels, count: labels.length});
    expect(negativeElbo).toBeCloseTo(about.digits.negativeElbo, 2);
  });

  test('the held-out digits have the bounds that it says, and its digits are among them', async ({skip}) => {
    skip(process.env.TFJS_MOE_DATA === undefined, 'TFJS_MOE_DATA does not name a folder with MNIST');
    const {test: heldOut} = await loadMnist();
    const found = await evaluate(vae, heldOut);
    const {testNegativeElbo, testReconstruction, testKl, testCount} = about.figures;
    expect(Math.abs(found.negativeElbo - testNegativeElbo)).toBeLessThan(ROUNDING);
    expect(Math.abs(found.reconstruction - testReconstruction)).toBeLessThan(ROUNDING);
    expect(Math.abs(found.kl - testKl)).toBeLessThan(ROUNDING);
    expect(found.count).toBe(testCount);
    about.digits.rows.forEach((row, i) => {
      expect(heldOut.labels[row]).toBe(about.digits.labels[i]);
      expect(Buffer.compare(heldOut.images.subarray(row * PIXELS, (row + 1) * PIXELS), rowOf(i))).toBe(0);
    });
  });

  test('is fetched in no time: less than 400 kB', async () => {
    const {weightsManifest} = JSON.parse(await readFile(`${FOLDER}/model.json`, 'utf8')) as tf.io.ModelJSON;
    const files = ['model.json', about.digits.file, ...weightsManifest.flatMap(({paths}) => paths)];
    const sizes = await Promise.all(files.map(async file => (await stat(`${FOLDER}/${file}`)).size));
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(400_000);
  });

  test('says a command that names no folder of the machine on which it was made', () => {
    expect(about.command).toMatch(/^npx tsx scripts\/export-playground-vae\.mts/);
    expect(JSON.stringify(about)).not.toMatch(/"\/|--run|--output|--data-dir/);
  });
});

describe('the coder', () => {
  test('gives the probabilities, the divergences, the code and its cost that the layers give', async () => {
    const [encoding] = await coder.encode([digits[5]!.pixels, digits[9]!.pixels]);
    const [probs, kl, codes, cost] = tf.tidy(() => {
      const x = tf.tensor2d(digits[5]!.pixels, [1, PIXELS]);
      const logits = tf.reshape(vae.encoder.predict(x) as tf.Tensor, [vae.latent.numLatents, vae.latent.numCategories]);
      const cost = sumBinaryCrossentropy(x, vae.model.predict(x) as tf.Tensor);
      return [tf.softmax(logits), klToUniform(logits), vae.encode(x), cost].map(tensor => [...tensor.dataSync()]);
    }) as unknown as number[][];
    expectClose(encoding!.probs, probs!, 1e-6);
    expectClose(encoding!.kl, kl!, 1e-5);
    expect(encoding!.code).toEqual(codes);
    expect(encoding!.cost).toBeCloseTo(cost![0]!, 3);
  });

  test('gives the picture of each neighbour, and its cost', async () => {
    const code = [0, 3, 1, 2, 2, 0, 1, 3, 0, 1];
    const {pictures, costs} = await coder.view(code, digits[0]!.pixels);
    for (const [index, place, letter] of [
      [ownIndex(code), 0, code[0]!],
      [6, 1, 2],
      [39, 9, 3],
    ] as const) {
      const wanted = [...changed(code, place, letter)];
      const picture = [...tf.tidy(() => vae.decode(tf.tensor2d(wanted, [1, 10], 'int32')).dataSync())];
      expectClose(pictures.subarray(index * PIXELS, (index + 1) * PIXELS), picture, 1e-5);
      // -sum of y ln p + (1 - y) ln (1 - p), written out; p is never 0 or 1 in this model's reach.
      const cost = picture.reduce((sum, p, i) => {
        const y = digits[0]!.pixels[i]!;
        return sum - y * Math.log(Math.max(p, 1e-30)) - (1 - y) * Math.log1p(-Math.min(p, 1 - 1e-7));
      }, 0);
      expect(costs[index]).toBeCloseTo(cost, 1);
    }
  });

  test('draws letters by their probabilities, the same for the same seed', async () => {
    const [encoding] = await coder.encode([digits[9]!.pixels]);
    expect(await coder.draw(encoding!, 5)).toEqual(await coder.draw(encoding!, 5));
    const count = 400;
    const place = encoding!.kl.indexOf(Math.min(...encoding!.kl)); // where chance has most to say
    const expected = encoding!.probs.subarray(place * 4, (place + 1) * 4);
    const seen = [0, 0, 0, 0];
    for (let seed = 0; seed < count; ++seed) ++seen[(await coder.draw(encoding!, seed))[place]!]!;
    // Binomial: five standard deviations.
    seen.forEach((times, letter) => {
      const p = expected[letter]!;
      expect(Math.abs(times - count * p)).toBeLessThanOrEqual(5 * Math.sqrt(count * p * (1 - p)) + 1e-3);
    });
  });

  test('draws from the prior letters that there are, all of them about as often', () => {
    const seen = [0, 0, 0, 0];
    for (let seed = 0; seed < 200; ++seed) for (const letter of coder.drawPrior(seed)) ++seen[letter]!;
    expect(seen).toHaveLength(4);
    // Binomial(2000, 1/4): deviation 19.4.
    for (const times of seen) expect(Math.abs(times - 500)).toBeLessThan(97);
  });

  test('leaves no tensor', async () => {
    const {numTensors} = tf.memory();
    const [encoding] = await coder.encode([digits[0]!.pixels]);
    await coder.view(encoding!.code, digits[0]!.pixels);
    await coder.draw(encoding!, 1);
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  test('a code has itself and all codes of one other letter for neighbours', () => {
    expect(neighbours([2, 0], 3)).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
      [2, 0],
      [2, 1],
      [2, 2],
    ]);
    expect(neighbours([2, 0], 3)[ownIndex([2, 0])]).toEqual([2, 0]);
  });

  test('a walk changes one letter a step, and only those that differ', () => {
    expect(walk([0, 1, 2], [3, 1, 0])).toEqual([
      [0, 1, 2],
      [3, 1, 2],
      [3, 1, 0],
    ]);
    expect(walk([1, 1], [1, 1])).toEqual([[1, 1]]);
  });
});

describe('a drawing', () => {
  test('gets its ink into a box of 20 pixels, its centre of mass where that of MNIST is', () => {
    // A bar of 40 x 120, off the middle: 20 high means a sixth, so 6 2/3 wide, all of it ink.
    const [width, height] = [200, 160];
    const ink = new Float32Array(width * height);
    for (let y = 30; y < 150; ++y) ink.fill(1, y * width + 10, y * width + 50);
    const digit = centerDigit(ink, width)!;
    expect(sum(digit)).toBeCloseTo(20 * (40 / 6), 3);
    expect(centerOf(digit)).toEqual([expect.closeTo(14, 4), expect.closeTo(14, 4)]);
    const rows = Array.from({length: SIDE}, (_, y) => sum(digit.subarray(y * SIDE, (y + 1) * SIDE)));
    expect(rows.filter(row => row > 0.01).length).toBe(21); // 20 pixels from the middle of one to the middle of another
  });

  test("leaves MNIST's own digits as they are, but for less than a pixel of place", () => {
    for (const {pixels} of digits) {
      const again = centerDigit(pixels, SIDE)!;
      // Shifted by part of a pixel, and enlarged by some where the faintest ink, which counts for none, was at the box's edge.
      const product = again.reduce((total, value, i) => total + value * pixels[i]!, 0);
      expect(product / Math.hypot(...again) / Math.hypot(...pixels)).toBeGreaterThan(0.85);
      expect(Math.abs(sum(again) / sum(pixels) - 1)).toBeLessThan(0.25);
      const [x, y] = centerOf(pixels);
      expect(Math.hypot(x - 14, y - 14)).toBeLessThan(1.2);
    }
  });

  test('without ink is no digit', () => {
    expect(centerDigit(new Float32Array(100), 10)).toBeUndefined();
  });

  test('is a digit wherever it stands and however large it is', () => {
    const draw = (size: number, left: number, top: number, side: number) => {
      const ink = new Float32Array(size * size);
      for (let y = 0; y < side; ++y) {
        for (let x = 0; x < side; ++x) if (y < side / 4 || x > (3 * side) / 4 - 1) ink[(top + y) * size + left + x] = 1;
      }
      return centerDigit(ink, size)!;
    };
    const large = draw(280, 5, 40, 200);
    expectClose(draw(280, 70, 3, 200), large, 1e-5);
    expectClose(draw(280, 150, 150, 100), large, 1e-5); // its edges lie on whole pixels in both
  });
});

function rowOf(i: number): Uint8Array {
  return bytes.subarray(i * PIXELS, (i + 1) * PIXELS);
}

function expectClose(received: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(received.length).toBe(expected.length);
  for (let i = 0; i < expected.length; ++i) expect(Math.abs(received[i]! - expected[i]!)).toBeLessThan(tolerance);
}

function sum(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The centre of mass, column and row counted from 0. */
function centerOf(digit: Float32Array): [number, number] {
  let [x, y] = [0, 0];
  digit.forEach((value, i) => {
    x += value * (i % SIDE);
    y += value * Math.floor(i / SIDE);
  });
  return [x / sum(digit), y / sum(digit)];
}
