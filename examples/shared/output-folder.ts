// The folder of a run: nothing that stands in it is lost unless the user says so.
// SPDX-License-Identifier: Apache-2.0
import {existsSync, statSync} from 'node:fs';
import {mkdir, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';

/** The files of a run, in its output folder. `result` is written last: a run that has one is finished. */
export const RUN_FILES = {
  checkpoint: 'checkpoint.bin',
  history: 'history.jsonl',
  chart: 'chart.svg',
  model: 'model',
  result: 'result.json',
} as const;

/** Refuses a folder in which a run cannot go on, and one in which a new run would destroy another. */
export function checkOutput(
  folder: string,
  {resume, overwrite}: {resume?: boolean | undefined; overwrite?: boolean | undefined},
): void {
  if (existsSync(folder) && !statSync(folder).isDirectory()) {
    throw new ValueError(`--output: ${folder} is a file; it must be a folder, or not exist.`);
  }
  const has = (name: string) => existsSync(join(folder, name));
  const isFinished = has(RUN_FILES.result);
  if (resume) {
    if (isFinished) {
      throw new ValueError(
        `--resume: the run in ${folder} is finished. Look at it with --evaluate ${folder}, or start anew with --overwrite.`,
      );
    }
    if (!has(RUN_FILES.checkpoint)) {
      throw new ValueError(
        `--resume: there is no ${RUN_FILES.checkpoint} in ${folder}, so there is no run to go on with.`,
      );
    }
  } else if (!overwrite && Object.values(RUN_FILES).some(has)) {
    throw new ValueError(
      `--output: ${folder} already holds a ${isFinished ? 'finished' : 'partial'} run. ` +
        `${isFinished ? '' : 'Go on with it with --resume, '}replace it with --overwrite, or name another folder.`,
    );
  }
}

/** Makes the folder, and removes a former run's files (no others). */
export async function clearOutput(folder: string): Promise<void> {
  await mkdir(folder, {recursive: true});
  await Promise.all(Object.values(RUN_FILES).map(name => rm(join(folder, name), {recursive: true, force: true})));
}
