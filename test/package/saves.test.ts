// A model that was saved on one backend is loaded on each other and predicts the same: in Node, in Chromium, and by the file:// of tfjs-node.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, describe, expect, test, vi} from 'vitest';
import {PROJECTS, type RowProject} from '../rows/rows.js';
import {SOFTWARE_DRIVER} from '../support/software-driver.js';
import {findChromium} from './browser.js';
import {runCommand} from './run-command.js';
import {openSavesPage, startSavesServer} from './saves/browser.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = join(ROOT, 'test/package/saves/node.mjs');

/** Backends add up in different orders. */
const ROUNDING = 1e-5;
/** Far above it: what another choice or the initial weights would make. */
const ELSEWHERE = 0.1;
/** Milliseconds for a backend and all that it loads; a device that the processor plays compiles its programs first. */
const TIMEOUT = 400_000;

/** Predictions of the models by name; in place of them, what went wrong. */
type Predictions = Record<string, number[] | string>;
type Saved = Record<string, {before: number[]; after: number[]}>;

/** Where models are saved and loaded. */
interface Place {
  title: string;
  missing: string | undefined;
  /** Saves each model in a folder of its own within this one. */
  save(folder: string): Promise<Saved>;
  /** Loads all models of each of the folders. */
  load(folders: string[]): Promise<Predictions[]>;
}

const missing = (name: RowProject['name']) => PROJECTS.find(project => project.name === name)!.missing;

function inNode(backend: string, row: RowProject['name'], handler: 'fileSystem' | 'file://' = 'fileSystem'): Place {
  const run = async (action: string, folders: string[]) => {
    const output = await runCommand(ROOT, process.execPath, [PROGRAM, action, backend, handler, ...folders]);
    return Object.values(JSON.parse(output.trim().split('\n').at(-1)!));
  };
  return {
    title: handler === 'file://' ? `${backend} by file://` : backend,
    missing: missing(row),
    save: async folder => (await run('save', [folder]))[0] as Saved,
    load: async folders => (await run('load', folders)) as Predictions[],
  };
}

function inChromium(backend: 'webgl' | 'webgpu'): Place {
  const visit = async <T>(use: (page: Awaited<ReturnType<typeof openSavesPage>>) => Promise<T>): Promise<T> => {
    const page = await openSavesPage(findChromium()!, server.address, backend);
    try {
      return await use(page);
    } finally {
      await page.close();
    }
  };
  return {
    title: `${backend} in Chromium`,
    missing: missing(`chromium-${backend}`),
    save: folder => visit(page => page.save(folder)),
    load: folders => visit(page => page.load(folders.map(server.addressOf))),
  };
}

const PLACES: readonly Place[] = [
  inNode('cpu', 'host'),
  inNode('wasm', 'host'),
  inNode('wasm with our kernels', 'host'),
  inNode('node', 'node'),
  inNode('node', 'node', 'file://'),
  inNode('webgpu', 'webgpu'),
  inChromium('webgl'),
  inChromium('webgpu'),
];
const present = PLACES.filter(place => place.missing === undefined);
const why = (...places: Place[]) => {
  const reason = places.map(place => place.missing).find(Boolean);
  return reason === undefined ? '' : ` (skipped: ${reason})`;
};

let folder: string;
let server: Awaited<ReturnType<typeof startSavesServer>>;
const saved = new Map<Place, Saved>();
/** By the place that loaded, then by the one that saved. */
const loaded = new Map<Place, Map<Place, Predictions>>();

const folderOf = (place: Place) => join(folder, String(PLACES.indexOf(place)));
const distance = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length ? Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) : Number.POSITIVE_INFINITY;

describe('a model', () => {
  beforeAll(
    async () => {
      vi.stubEnv('VK_ICD_FILENAMES', SOFTWARE_DRIVER);
      vi.stubEnv('TF_CPP_MIN_LOG_LEVEL', '2');
      folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-saves-'));
      server = await startSavesServer(folder);
      for (const place of present) saved.set(place, await place.save(folderOf(place)));
      for (const place of present) {
        const predictions = await place.load(present.map(folderOf));
        loaded.set(place, new Map(present.map((writer, i) => [writer, predictions[i]!])));
      }
    },
    2 * PLACES.length * TIMEOUT,
  );

  afterAll(async () => {
    vi.unstubAllEnvs();
    await server?.close();
    await rm(folder, {recursive: true, force: true});
  });

  for (const writer of PLACES) {
    test.skipIf(writer.missing)(
      `on ${writer.title} predicts by weights that its configuration does not tell${why(writer)}`,
      () => {
        const models = Object.entries(saved.get(writer)!);
        expect(models).toHaveLength(9);
        const unmoved = models.filter(([, {before, after}]) => !(distance(before, after) > ELSEWHERE));
        expect(unmoved.map(([name]) => name)).toEqual([]);
      },
    );

    for (const reader of PLACES) {
      const reason = why(writer, reader);
      test.skipIf(reason)(`saved on ${writer.title} predicts the same on ${reader.title}${reason}`, () => {
        const predictions = loaded.get(reader)!.get(writer)!;
        const differences = Object.entries(saved.get(writer)!).map(([name, {after}]) => {
          const values = predictions[name]!;
          return {name, difference: typeof values === 'string' ? values : distance(after, values)};
        });
        expect(differences.filter(({difference}) => !(Number(difference) <= ROUNDING))).toEqual([]);
      });
    }
  }
});
