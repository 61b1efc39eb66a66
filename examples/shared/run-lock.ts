// One process a folder: two runs in one would mix their files.
// SPDX-License-Identifier: Apache-2.0
import {constants, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {access, mkdir} from 'node:fs/promises';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';

/** Holds the number of the process that has the folder, and its machine: folders may lie on a disk that several machines share. */
const LOCK = 'run.lock';
/** The holder shows that it lives by the lock's time of change, every so many milliseconds. */
const BEAT = 5000;
/** On another machine no process can be asked for: there a lock that was silent for so long is a dead one's. Clocks must agree better. */
const EXPIRY = 45_000;

/** The locks that this very process holds. */
const held = new Set<string>();

/**
 * Makes the folder and takes it for this process, before anything is computed.
 *
 * @returns Gives the folder back.
 * @throws ValueError where the folder cannot be written, or another process that still runs has it.
 */
export async function lockOutput(folder: string): Promise<() => void> {
  const path = join(folder, LOCK);
  const own = `${process.pid} ${hostname()}`;
  try {
    await mkdir(folder, {recursive: true});
    await access(folder, constants.W_OK);
    removeIfDead(path);
    writeFileSync(path, own, {flag: 'wx'});
  } catch (error) {
    const {code, message} = error as NodeJS.ErrnoException;
    const holder = code === 'EEXIST' ? holderOf(folder) : undefined;
    if (holder !== undefined) {
      throw new ValueError(
        `--output: the ${holder} has a run in ${folder} under way. Wait for it, or name another folder.`,
        {cause: error},
      );
    }
    throw new ValueError(`--output: ${folder} cannot be written: ${message}.`, {cause: error});
  }
  held.add(path);
  const beat = setInterval(() => touch(path, own), BEAT).unref();
  return () => {
    clearInterval(beat);
    held.delete(path);
    if (read(path) === own) rmSync(path, {force: true}); // else this machine slept, and another took the folder over
  };
}

/** The process that has a run in the folder under way, in words; undefined if there is none. */
export function holderOf(folder: string): string | undefined {
  const path = join(folder, LOCK);
  const text = read(path);
  return text !== undefined && isLive(path, text) ? describeHolder(text) : undefined;
}

function describeHolder(text: string): string {
  const {pid, host} = parse(text);
  if (text === '') return 'process that is about to start';
  return host === hostname() ? `process ${pid}` : `process ${pid} of the machine ${host}`;
}

function parse(text: string): {pid: number; host: string} {
  const [pid, host = ''] = text.split(' ');
  return {pid: Number(pid), host};
}

/** @param text What the lock at the path says; nothing yet, for a moment, of one that is being written. */
function isLive(path: string, text: string): boolean {
  const {pid, host} = parse(text);
  if (host !== hostname()) return Date.now() - (statSync(path, {throwIfNoEntry: false})?.mtimeMs ?? 0) < EXPIRY;
  // In a container that starts anew the numbers do too: this process may have that of the dead one.
  if (pid === process.pid) return held.has(path);
  try {
    process.kill(pid, 0); // asks only
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Of several processes that find a dead one's lock one puts it aside; who puts aside what is by then another's lock gives it back. */
function removeIfDead(path: string): void {
  const text = read(path);
  if (text === undefined || isLive(path, text)) return;
  const aside = `${path}.dead.${process.pid}.${hostname()}`;
  try {
    renameSync(path, aside);
    const found = read(aside);
    if (found !== undefined && found !== text) writeFileSync(path, found, {flag: 'wx'});
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, {force: true});
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param own What the lock says as long as it is this process's. */
function touch(path: string, own: string): void {
  try {
    if (read(path) === own) utimesSync(path, new Date(), new Date());
  } catch {
    // The folder was removed, or its disk is away for now: the run itself finds out where it writes.
  }
}
