// Of several coordinators of a sweep one decides: it holds a key in Redis that expires unless it is renewed.
// SPDX-License-Identifier: Apache-2.0
import {randomUUID} from 'node:crypto';
import type {Redis} from 'ioredis';

/** The right to decide. */
export interface Lease {
  /** Takes the lease if nobody has it, renews it if this one has; tells whether it has it now. */
  hold(): Promise<boolean>;
  /** Gives it back, so that another need not wait for its end. */
  release(): Promise<void>;
}

// Each runs in the server as a whole: between the look and the write nobody else comes in.
const HOLD = `local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

/** A lease on the decisions of a sweep, not held yet. @param duration In milliseconds. */
export function createLease(connection: Redis, sweep: string, duration: number): Lease {
  const key = `tfjs-moe:coordinator:${sweep}`;
  const holder = randomUUID();
  return {
    async hold() {
      return (await connection.eval(HOLD, 1, key, holder, duration)) === 1;
    },
    async release() {
      await connection.eval(RELEASE, 1, key, holder);
    },
  };
}
