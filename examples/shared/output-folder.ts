// The folder of a run: nothing that stands in it is lost unless the user says so.
// SPDX-License-Identifier: Apache-2.0
import {existsSync, statSync} from 'node:fs';
import {readdir, rm, rmdir} from 'node:fs/promises';
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

/**
 * Refuses a folder in which a run cannot go on, and one in which a new run would destroy another.
 *
 * @param options.extend Whether a finished run may go on, because it was asked for more epochs.
 */
export function checkOutput(
  folder: string,
  {
    resume,
    overwrite,
    extend = false,
  }: {resume?: boolean | undefined; overwrite?: boolean | undefined; extend?: boolean | undefined},
): void {
  if (existsSync(folder) && !statSync(folder).isDirectory()) {
    throw new ValueError(`--output: ${folder} is a file; it must be a folder, or not exist.`);
  }
  const has = (name: string) => existsSync(join(folder, name));
  const isFinished = has(RUN_FILES.result);
  if (resume) {
    if (isFinished && !extend) {
      throw new ValueError(
        `--resume: the run in ${folder} is finished. Look at it with --evaluate ${folder}, or start anew with --overwrite.`,
      );
    }
    if (!has(RUN_FILES.checkpoint)) {
      throw new ValueError(
        `--resume: there is no ${RUN_FILES.checkpoint} in ${folder}, so there is no run to go on with.`,
      );
    }
  } else if (!overwrite && (isFinished || has(RUN_FILES.checkpoint))) {
    throw new ValueError(
      `--output: ${folder} already holds a ${isFinished ? 'finished' : 'partial'} run. ` +
        `${isFinished ? '' : 'Go on with it with --resume, '}replace it with --overwrite, or name another folder.`,
    );
  }
}

/** What a killed process leaves where it was about to replace a file. */
const isStaged = (name: string, file: string) => name.startsWith(`${file}.part`);
/** What a saved model consists of; a folder of that name may hold other files, which are the user's. */
const MODEL_FILE = /^(model\.json|weights-[0-9a-f]{16}\.bin)(\.part.*)?$/;

/** Removes a former run's files, whole or half-written, and no others. */
export async function clearOutput(folder: string): Promise<void> {
  const {model, ...files} = RUN_FILES;
  await clearStaged(folder);
  await Promise.all(Object.values(files).map(name => rm(join(folder, name), {force: true})));
  const modelFolder = join(folder, model);
  if (!existsSync(modelFolder)) return;
  const ofModel = (await readdir(modelFolder)).filter(name => MODEL_FILE.test(name));
  await Promise.all(ofModel.map(name => rm(join(modelFolder, name))));
  if ((await readdir(modelFolder)).length === 0) await rmdir(modelFolder);
}

/** Removes what processes that were killed while they wrote have left. */
export async function clearStaged(folder: string): Promise<void> {
  const staged = (await readdir(folder)).filter(name => Object.values(RUN_FILES).some(file => isStaged(name, file)));
  await Promise.all(staged.map(name => rm(join(folder, name), {force: true})));
}
