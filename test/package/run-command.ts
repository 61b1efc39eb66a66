// Runs a program and shows what it said when it fails.
// SPDX-License-Identifier: Apache-2.0
import {execFile} from 'node:child_process';
import {promisify} from 'node:util';

/** Runs a program in a folder with nothing on its standard input, and returns its standard output. */
export async function runCommand(cwd: string, program: string, args: string[]): Promise<string> {
  const running = promisify(execFile)(program, args, {cwd, maxBuffer: 2 ** 26});
  running.child.stdin?.end();
  try {
    return (await running).stdout;
  } catch (error) {
    const {message, stdout, stderr} = error as Error & {stdout: string; stderr: string};
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  }
}
