// What a finished run left: its settings and its model.
// SPDX-License-Identifier: Apache-2.0
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import * as tfl from '@tensorflow/tfjs-layers';
import {fileSystem, ValueError} from 'tfjs-moe/node';
import {RUN_FILES} from './output-folder.js';
import {loadJson} from './results.js';

/**
 * The settings of the finished run in a folder; undefined where the folder holds no results, as one with a model alone.
 *
 * @throws ValueError if the results are those of another program.
 */
export async function savedSettings<Settings extends {data: string}>(
  folder: string,
  program: string,
): Promise<Settings | undefined> {
  const path = join(folder, RUN_FILES.result);
  if (!existsSync(path)) return undefined;
  const result = await loadJson(path);
  const settings = result?.settings as Settings | undefined;
  if (result?.program !== program || typeof settings?.data !== 'string') {
    throw new ValueError(`--evaluate: ${path} is not of a run of ${program}.`);
  }
  return settings;
}

/** The model of a run's folder, or of a folder that is itself a saved model. */
export async function loadRunModel(folder: string): Promise<tfl.LayersModel> {
  const ofRun = join(folder, RUN_FILES.model);
  return tfl.loadLayersModel(fileSystem(existsSync(ofRun) ? ofRun : folder));
}
