// SPDX-License-Identifier: Apache-2.0
import {execFile} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, test} from 'vitest';
import {sumOf} from '../../src/ops/sum-of.js';
import {eachBackend} from '../support/each-backend.js';
import {SOFTWARE_DRIVER, WHY_NO_DRIVER} from '../support/software-driver.js';

const COUNTS = [1, 7, 8, 50, 60];

eachBackend('sumOf', () => {
  test.each(COUNTS)('%i tensors have their sum, and each the gradient of the sum', async count => {
    const before = tf.memory().numTensors;
    const terms = Array.from({length: count}, (_, i) => tf.tensor1d([i, 2 ** (i % 10)]));
    const sum = sumOf(terms);
    const gradients = tf.grads((...xs: tf.Tensor[]) => tf.mul(sumOf(xs), [3, 5]))(terms);
    const expected = [0, 1].map(k => terms.reduce((total, _, i) => total + (k === 0 ? i : 2 ** (i % 10)), 0));
    expect([...(await sum.data())]).toEqual(expected);
    for (const gradient of gradients) expect([...(await gradient.data())]).toEqual([3, 5]);
    tf.dispose([terms, sum, gradients]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('on webgpu', () => {
  test.skipIf(SOFTWARE_DRIVER === undefined)(
    `more tensors than a shader binds have their sum${WHY_NO_DRIVER}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-sum-of-'));
      const entry = join(folder, 'entry.mjs');
      const from = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href);
      await writeFile(
        entry,
        `import {useBackend} from ${from('src/node/index.ts')};
        import {sumOf} from ${from('src/ops/sum-of.ts')};
        import tf from ${from('node_modules/@tensorflow/tfjs-core/dist/tf-core.node.js')};
        await useBackend('webgpu');
        for (const count of ${JSON.stringify(COUNTS)}) {
          // Too many values for the host to take over.
          const sum = sumOf(Array.from({length: count}, (_, i) => tf.fill([40, 40], i)));
          console.log(new Set(await sum.data()));
        }`,
      );
      const {stdout} = await promisify(execFile)(process.execPath, ['--import', 'tsx', entry], {
        env: {...process.env, VK_ICD_FILENAMES: SOFTWARE_DRIVER!},
      });
      await rm(folder, {recursive: true});
      expect(stdout.trim().split('\n')).toEqual(COUNTS.map(n => `Set(1) { ${(n * (n - 1)) / 2} }`));
    },
  );
});
