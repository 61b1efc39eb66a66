// Starts a training program as its user does: a process with options, signals, files and an exit code.
import {type ChildProcess, spawn} from 'node:child_process';
import {programFile} from '../support/programs.js';

/** How a process ended, and what it printed. */
export interface Outcome {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Starts `tfjs-moe train` with arguments, on wasm whatever else is installed; `seen` waits for a text in its output. */
export function start(args: string[], variables: NodeJS.ProcessEnv = {}) {
  const env = {...process.env, TFJS_MOE_DATA: '', TFJS_MOE_BACKEND: 'wasm', ...variables};
  const child: ChildProcess = spawn(process.execPath, [programFile('command'), 'train', ...args], {env});
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', text => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  const finished = new Promise<Outcome>(resolve => {
    child.on('close', (code, signal) => resolve({code, signal, stdout, stderr}));
  });
  const seen = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (stdout.includes(text)) resolve();
      };
      look();
      child.stdout!.on('data', look);
      finished.then(() => reject(new Error(`ended without "${text}":\n${stdout}${stderr}`)));
    });
  return {child, finished, seen};
}
