// Reads the finished runs below a folder, to compare them.
// SPDX-License-Identifier: Apache-2.0
import {readdir, readFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {RUN_FILES} from './output-folder.js';
import {loadJson} from './results.js';

/** Where the chart of a comparison goes, in the folder that is compared. */
export const COMPARISON = 'comparison.svg';

/** What a finished run left. */
export interface FinishedRun<Settings, Figures, Line> {
  settings: Settings;
  figures: Figures;
  trainingSeconds: number;
  /** The lines of its history. */
  history: Line[];
}

/**
 * The finished runs of a program below a folder, in the order of their paths.
 *
 * @throws ValueError if there is none, or the folder cannot be read.
 */
export async function readFinishedRuns<Settings, Figures, Line>(
  program: string,
  folder: string,
): Promise<FinishedRun<Settings, Figures, Line>[]> {
  let files: string[];
  try {
    files = await readdir(folder, {recursive: true});
  } catch (error) {
    throw new ValueError(`--compare: ${folder} cannot be read: ${(error as Error).message}.`, {cause: error});
  }
  const results = files.filter(file => file === RUN_FILES.result || file.endsWith(`/${RUN_FILES.result}`)).sort();
  const runs: FinishedRun<Settings, Figures, Line>[] = [];
  for (const file of results) {
    const result = await loadJson(join(folder, file));
    if (result?.program !== program) continue;
    const text = await readFile(join(folder, dirname(file), RUN_FILES.history), 'utf8');
    const history = text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Line);
    runs.push({...(result as unknown as Omit<(typeof runs)[number], 'history'>), history});
  }
  if (runs.length === 0) throw new ValueError(`--compare: there is no finished run of ${program} below ${folder}.`);
  return runs;
}
