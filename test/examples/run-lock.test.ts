// A folder of results is for one process at a time, on one machine or on several that share its disk.
// SPDX-License-Identifier: Apache-2.0
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {writeFileSync} from 'node:fs';
import {mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile} from 'node:fs/promises';
import {hostname, tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';
import {holderOf, lockOutput} from '../../examples/shared/run-lock.js';

/** Called before a lock is put aside. */
const beforeRename = vi.hoisted(() => ({run: () => {}}));
vi.mock('node:fs', async importOriginal => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const renameSync: typeof fs.renameSync = (from, to) => {
    beforeRename.run();
    fs.renameSync(from, to);
  };
  return {...fs, renameSync};
});

describe('lockOutput', () => {
  let folder: string;
  let output: string;
  let lock: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-run-lock-'));
    output = join(folder, 'new', 'run');
    lock = join(output, 'run.lock');
  });
  afterEach(async () => {
    vi.useRealTimers();
    beforeRename.run = () => {};
    await rm(folder, {recursive: true});
  });

  /** A lock that another process left, silent for so many seconds. */
  async function leaveLock(text: string, seconds = 0): Promise<void> {
    await mkdir(output, {recursive: true});
    await writeFile(lock, text);
    const then = new Date(Date.now() - 1000 * seconds);
    await utimes(lock, then, then);
  }

  async function pidOfTheDead(): Promise<number> {
    const child = spawn(process.execPath, ['--version']);
    await once(child, 'close');
    return child.pid!;
  }

  test('refuses a folder that is held, and leaves nothing in one that it gave back', async () => {
    const unlock = await lockOutput(output);
    expect(await readFile(lock, 'utf8')).toBe(`${process.pid} ${hostname()}`);
    expect(holderOf(output)).toBe(`process ${process.pid}`);
    await expect(lockOutput(output)).rejects.toThrow(
      `--output: the process ${process.pid} has a run in ${output} under way. Wait for it, or name another folder.`,
    );
    unlock();
    expect(await readdir(output)).toEqual([]);
    expect(holderOf(output)).toBeUndefined();
  });

  test('refuses a folder that another process of this machine holds', async () => {
    await leaveLock(`${process.ppid} ${hostname()}`, 1000); // however long it is silent
    await expect(lockOutput(output)).rejects.toThrow(`the process ${process.ppid} has a run in`);
    expect(await readFile(lock, 'utf8')).toBe(`${process.ppid} ${hostname()}`);
  });

  test('takes over from a process that died', async () => {
    await leaveLock(`${await pidOfTheDead()} ${hostname()}`);
    expect(holderOf(output)).toBeUndefined();
    (await lockOutput(output))();
    expect(await readdir(output)).toEqual([]);
  });

  test('takes over from a process of its own number that died, as in a container that starts anew', async () => {
    await leaveLock(`${process.pid} ${hostname()}`);
    (await lockOutput(output))();
    expect(await readdir(output)).toEqual([]);
  });

  test('goes by the signs of life where the holder is on another machine', async () => {
    await leaveLock('7 elsewhere', 40);
    expect(holderOf(output)).toBe('process 7 of the machine elsewhere');
    await expect(lockOutput(output)).rejects.toThrow('the process 7 of the machine elsewhere has a run in');
    await leaveLock('7 elsewhere', 50);
    expect(holderOf(output)).toBeUndefined();
    (await lockOutput(output))();
    expect(await readdir(output)).toEqual([]);
  });

  test('waits for a lock that is being written', async () => {
    await leaveLock('');
    await expect(lockOutput(output)).rejects.toThrow('the process that is about to start has a run in');
    await leaveLock('', 50); // its writer lost power
    (await lockOutput(output))();
  });

  test('the holder shows that it lives until it gives the folder back', async () => {
    vi.useFakeTimers({toFake: ['setInterval', 'clearInterval']});
    const unlock = await lockOutput(output);
    const then = new Date(Date.now() - 60_000);
    await utimes(lock, then, then);
    vi.advanceTimersByTime(10_000);
    expect(Date.now() - (await stat(lock)).mtimeMs).toBeLessThan(30_000);
    unlock();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a holder that slept leaves the lock of who took over alone', async () => {
    vi.useFakeTimers({toFake: ['setInterval', 'clearInterval']});
    const unlock = await lockOutput(output);
    await leaveLock('7 elsewhere', 50);
    vi.advanceTimersByTime(10_000);
    expect(Date.now() - (await stat(lock)).mtimeMs).toBeGreaterThan(45_000);
    unlock();
    expect(await readFile(lock, 'utf8')).toBe('7 elsewhere');
  });

  test('who puts aside a lock that was taken meanwhile gives it back', async () => {
    await leaveLock(`${await pidOfTheDead()} ${hostname()}`);
    beforeRename.run = () => writeFileSync(lock, '9 elsewhere');
    await expect(lockOutput(output)).rejects.toThrow('the process 9 of the machine elsewhere has a run in');
    expect(await readFile(lock, 'utf8')).toBe('9 elsewhere');
    expect(await readdir(output)).toEqual(['run.lock']);
  });

  test('of many that find a dead lock at once one gets the folder', async () => {
    await leaveLock(`${await pidOfTheDead()} ${hostname()}`);
    const program = `import('${new URL('../../examples/shared/run-lock.ts', import.meta.url).href}').then(async ({lockOutput}) => {
      process.send('ready');
      await new Promise(resolve => process.once('message', resolve));
      process.send(await lockOutput(process.argv[1]).then(() => 'has it', error => error.message));
      await new Promise(resolve => process.once('message', resolve));
      process.disconnect();
    })`;
    const children = Array.from({length: 4}, () =>
      spawn(process.execPath, ['--import', 'tsx', '--eval', program, output], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      }),
    );
    const answers = () => Promise.all(children.map(async child => (await once(child, 'message'))[0] as string));
    await answers();
    const said = answers();
    for (const child of children) child.send('go');
    const words = await said;
    expect(words.filter(word => word === 'has it')).toHaveLength(1);
    for (const word of words) expect(word).toMatch(/^has it$|^--output: the process .* has a run in/);
    for (const child of children) child.send('end');
    await Promise.all(children.map(child => once(child, 'exit')));
  });

  test('refuses a folder that cannot be made before anything else is done', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(lockOutput(join(folder, 'file', 'run'))).rejects.toThrow(/--output: .* cannot be written: ENOTDIR/);
  });
});
