// Runs the programs that a build needs, and says in words why one of them failed.
// SPDX-License-Identifier: Apache-2.0
import {spawn} from 'node:child_process';
import {createInterface} from 'node:readline';

/** Something that the user can act on: its message is all that is printed. */
export class BuildError extends Error {}

/** Aborted when the user stops the build; the folder of the build is removed all the same. */
export const interruption = new AbortController();

/** How much of a failed program's output is worth reading. */
const TAIL = 25;

/**
 * Runs a program to its end.
 *
 * @param purpose What it does, for the error message: "compiling the addon".
 * @param options.cwd The folder that it runs in. Default: the current one.
 * @param options.env Environment variables beside the present ones.
 * @param options.onLine Called with each line of its standard output, which is then not kept. Default: the lines are returned.
 * @returns Its standard output.
 * @throws BuildError if it is not installed or fails, with the end of what it wrote.
 */
export async function run(purpose, command, args, {cwd, env = {}, onLine} = {}) {
  interruption.signal.throwIfAborted();
  // A group of its own: what the program starts in turn ends with it.
  const child = spawn(command, args, {
    cwd,
    env: {...process.env, ...env},
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const stop = () => child.pid && process.kill(-child.pid);
  interruption.signal.addEventListener('abort', stop);
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  const output = [];
  const tail = [];
  const keep = line => {
    tail.push(line);
    if (tail.length > TAIL) tail.shift();
  };
  createInterface({input: child.stdout}).on('line', line => {
    if (onLine) return onLine(line);
    output.push(line);
    keep(line);
  });
  createInterface({input: child.stderr}).on('line', keep);
  try {
    const status = await ended;
    interruption.signal.throwIfAborted();
    if (status !== 0) throw new BuildError(`${purpose} failed (${command}: ${status}):\n${tail.join('\n')}`);
    return output.join('\n');
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new BuildError(`${purpose} needs the program "${command}", which was not found.`);
    throw error;
  } finally {
    interruption.signal.removeEventListener('abort', stop);
  }
}
