// The files of figures that a program leaves: one JSON object, or one a line. Each is replaced as a whole.
// SPDX-License-Identifier: Apache-2.0
import {appendFile, readFile} from 'node:fs/promises';
import {ValueError, writeAtomically} from 'tfjs-moe/node';

/** Writes one JSON object, indented for reading. */
export async function saveJson(path: string, value: object): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Writes JSON lines: one object a line. */
export async function saveJsonLines(path: string, records: readonly object[]): Promise<void> {
  await writeAtomically(path, records.map(record => `${JSON.stringify(record)}\n`).join(''));
}

/** Adds a line to a file of JSON lines, which several processes may do at the same time; the file is made where there is none. */
export async function appendJsonLine(path: string, record: object): Promise<void> {
  await appendFile(path, `${JSON.stringify(record)}\n`); // one write of one line, at the end wherever that is by then
}

/** Reads what saveJson wrote. */
export async function loadJson(path: string): Promise<Record<string, unknown> | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new ValueError(`loadJson: ${path} cannot be read: ${(error as Error).message}.`, {cause: error});
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ValueError(`loadJson: ${path} is not valid JSON.`, {cause: error});
  }
}
