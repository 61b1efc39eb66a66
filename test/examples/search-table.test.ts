// The program as its user runs it, on the synthetic table.
// SPDX-License-Identifier: Apache-2.0
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {start} from './run-program.js';

const METHODS = ['random', 'evolution', 'reinforce', 'leaveOneOut:4', 'relax', 'reinmax', 'stgs:0.5', 'enumerate'];
const OPTIONS = ['--methods', METHODS.join(','), '--seeds', '4', '--evaluations', '40', '--seed', '3'];

interface Line {
  command: string;
  method: string;
  seed: number;
  settings: {learningRate: number | null; data: string};
  figures: {
    curve: {evaluations: number[]; regret: number[]; error: number[]; found: number[]};
    medianRank: number;
    distinctCells: number;
  };
  seconds: number;
}

let folder: string;
let whole: Line[];
let printed: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-search-table-'));
  const done = await start(['search-table', ...OPTIONS, '--output', join(folder, 'whole')]).finished;
  expect(done.stderr).not.toContain('Error');
  expect(done.code).toBe(0);
  printed = done.stdout;
  whole = await readLines('whole');
}, 180_000);
afterAll(() => rm(folder, {recursive: true}));

async function readLines(name: string): Promise<Line[]> {
  const lines = (await readFile(join(folder, name, 'history.jsonl'), 'utf8')).trimEnd().split('\n');
  return lines.map(line => JSON.parse(line));
}

/** The lines but for what differs from run to run. */
const untimed = (lines: readonly Line[]) => lines.map(line => ({...line, seconds: expect.any(Number)}));

describe('search-table', () => {
  test('a run leaves its results, a line for each method, and says that the table is synthetic', async () => {
    const files = ['chart.svg', 'checkpoint.bin', 'history.jsonl', 'result.json'];
    expect((await readdir(join(folder, 'whole'))).sort()).toEqual(files);
    const result = JSON.parse(await readFile(join(folder, 'whole', 'result.json'), 'utf8'));
    expect(result).toMatchObject({program: 'search-table', seed: 3, steps: METHODS.length, backend: 'wasm'});
    expect(result.data).toMatch(/^synthetic, made from seed \d+; not measured on any network$/);
    expect(printed).toMatch(/^No table is at hand \(--data-dir\): the accuracies are synthetic/m);
    expect(whole.map(({method}) => method)).toEqual(
      METHODS.map(name => name.replace('stgs', 'straightThroughGumbelSoftmax')),
    );
    expect(result.figures.methods.map(({curve}: Line['figures']) => curve)).toEqual(
      whole.map(({figures}) => figures.curve),
    );
    for (const {figures, settings} of whole) {
      const {evaluations, regret} = figures.curve;
      expect([evaluations[0], evaluations.at(-1)]).toEqual([1, 40]);
      expect(regret.at(-1)).toBeLessThan(regret[0]!);
      expect(settings.data).toBe(result.data);
    }
  });

  test('the table holds the figures of the lines', () => {
    const [random, , , , , reinmax] = whole;
    expect(random!.figures.distinctCells).toBe(40);
    const {curve, medianRank} = reinmax!.figures;
    const last = `${curve.regret.at(-1)!.toFixed(3)}(${Math.ceil(1000 * curve.error.at(-1)!)})`;
    const row = printed.split('\n').find(line => line.startsWith('Surrogate, ReinMax '))!;
    expect(row).toContain(` ${last} `);
    expect(row).toContain(` ${medianRank} `);
    expect(printed).toMatch(/^ +after 10 +after 30 +after 40 +found +rank +test +cells +s$/m);
  });

  test('the chart names each method once, and what is drawn', async () => {
    const svg = await readFile(join(folder, 'whole', 'chart.svg'), 'utf8');
    for (const label of [
      'CIFAR-10, searched by validation accuracy after 200 epochs',
      'synthetic',
      'Regularised evolution',
      'REINFORCE, leave-one-out, 4 draws',
      'Surrogate, ReinMax',
      'Mean regret, points of test accuracy',
      'Share of the seeds that found the best objective',
    ]) {
      expect(svg).toContain(label);
    }
    expect(svg).not.toContain('NaN');
  });

  test('the commands of lines make the same lines again, alone and in another order', async () => {
    const alone = async (line: Line, name: string) => {
      const [, , ...args] = line.command.split(' ');
      expect(await start([...args, '--output', join(folder, name)]).finished).toMatchObject({code: 0});
      expect(await readLines(name)).toEqual(untimed([line]));
    };
    await alone(whole[6]!, 'alone-stgs');
    await alone(whole[3]!, 'alone-leave-one-out');
    const args = [...OPTIONS.slice(2), '--methods', 'reinmax,relax,evolution'];
    expect(await start(['search-table', ...args, '--output', join(folder, 'turned')]).finished).toMatchObject({
      code: 0,
    });
    expect(await readLines('turned')).toEqual(untimed([whole[5]!, whole[4]!, whole[1]!]));
  }, 120_000);

  test('stopped by SIGINT in a method, a resumed run has the same lines', async () => {
    const output = join(folder, 'stopped');
    const first = start(['search-table', ...OPTIONS, '--output', output]);
    await first.seen('method 4/8');
    first.child.kill('SIGINT');
    const stopped = await first.finished;
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toMatch(/Saved after step [4-7] in /);
    expect(await readdir(output)).not.toContain('result.json');
    const printedSoFar = await start(['search-table', '--evaluate', output]).finished;
    expect(printedSoFar.stdout).toMatch(/^Random search /m);
    const other = await start(['search-table', '--resume', '--seeds', '5', '--output', output]).finished;
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('the run was started with other settings: seeds was 4, now 5');
    const second = await start(['search-table', '--resume', '--output', output]).finished;
    expect(second.code).toBe(0);
    expect(second.stdout).toMatch(/40 evaluations, from method [4-7]$/m);
    expect(await readLines('stopped')).toEqual(untimed(whole));
  }, 120_000);

  test('--evaluate prints the same table', async () => {
    const {code, stdout} = await start(['search-table', '--evaluate', join(folder, 'whole')]).finished;
    expect(code).toBe(0);
    expect(stdout.trim().length).toBeGreaterThan(500);
    expect(printed).toContain(stdout.trim());
  });

  test('--help lists the options, the methods and why some estimators are missing', async () => {
    const {code, stdout} = await start(['search-table', '--help']).finished;
    expect(code).toBe(0);
    for (const word of ['--methods', '--space', '--objective', '--seeds', '--evaluations', '--data-dir']) {
      expect(stdout).toContain(word);
    }
    for (const name of ['gumbelRao', 'enumerate', 'TFJS_MOE_DATA']) expect(stdout).toContain(name);
    expect(stdout).toMatch(/DisARM, ARMS,\s+Double CV, RODEO and FouST are for bits/);
  });

  test.each([
    [['--methods', 'disarm'], /disarm is for bits, and an edge has five operations/],
    [['--methods', 'random,random'], /It must hold each value once/],
    [['--evaluations', '15626'], /There are 15,625 cells/],
    [['--space', 'mnist'], /Allowed choices are cifar10, cifar100, imagenet16/],
    [['--data-dir', '/nowhere'], /\/nowhere/],
    [['--evaluate', '/nowhere'], /\/nowhere\/history\.jsonl has no finished method of search-table/],
  ])('%j is refused in words, without a stack', async (args, expected) => {
    const {code, stderr} = await start(['search-table', ...args, '--output', join(folder, 'refused')]).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
