// --redis without the packages that it needs.
// SPDX-License-Identifier: Apache-2.0
import {expect, it, vi} from 'vitest';
import {connect} from '../../examples/sweep/redis/server.js';

vi.mock('bullmq', () => {
  throw new Error('Cannot find package');
});

it('--redis names the packages that it needs where they are not installed', async () => {
  await expect(connect('redis://127.0.0.1', () => {})).rejects.toMatchObject({
    name: 'ValueError',
    message: 'sweep: --redis needs the packages bullmq and ioredis: npm install bullmq ioredis.',
  });
});
