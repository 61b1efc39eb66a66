// npm run bench -- backends: a step of training on each backend of Node, over wasm with our kernels, in turn.
// SPDX-License-Identifier: Apache-2.0
import {type ChildProcess, fork} from 'node:child_process';
import {existsSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {fileURLToPath} from 'node:url';
import type {Answer, Side, Work} from './backends-child.js';
import {median, medianRatio} from './interleaved.js';
import {nextAnswer} from './next-answer.js';

/** A line of the table. */
interface Row extends Side {
  title: string;
  /** In the names of the figures. */
  key: string;
}

const FAST = {threads: 1, trainingKernels: false, calls: 5, warmUp: 10};
/** Where a step takes a second. */
const SLOW = {threads: 1, trainingKernels: false, calls: 1, warmUp: 2};
const CORES = availableParallelism();
/** What the others are compared with. */
const KERNELS: Row = {title: 'wasm with our kernels', key: 'Kernels', backend: 'wasm', ...FAST, trainingKernels: true};
const THREADS: Row = {...KERNELS, title: `the same, ${CORES} threads`, key: 'KernelsThreads', threads: CORES};
const ROWS: readonly Row[] = [
  {title: `node, ${CORES} threads`, key: 'Node', backend: 'node', ...FAST},
  {title: 'webgpu', key: 'Webgpu', backend: 'webgpu', ...SLOW},
  {title: 'wasm', key: 'Wasm', backend: 'wasm', ...FAST},
  KERNELS,
  ...(CORES > 1 ? [THREADS] : []),
  {title: 'cpu', key: 'Cpu', backend: 'cpu', ...SLOW, warmUp: 1},
];
const WORK: Record<Work, string> = {mnistMoe: 'step of mnist-moe', dense: 'step of 784-512-256-10'};

/** Where Debian's chromium keeps a Vulkan driver that needs no graphics card, and where Linux shows a card. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const CARDS = ['/dev/dri', '/dev/nvidia0', '/dev/dxg'];

/** A backend that runs, and what it took in each round. */
interface Measured {
  row: Row;
  child: ChildProcess;
  times: Record<Work, number[]>;
}

/** The command. */
export async function benchBackends({rounds, json}: {rounds: number; json: boolean}): Promise<void> {
  const env: NodeJS.ProcessEnv = {...process.env, TF_CPP_MIN_LOG_LEVEL: '2'};
  const isPlayed = !CARDS.some(existsSync) && existsSync(SWIFTSHADER);
  if (isPlayed) env['VK_ICD_FILENAMES'] ??= SWIFTSHADER;
  console.log('A step is 100 digits by Adam; each backend in a process of its own, which rests while another works.');
  if (isPlayed) console.log(`There is no graphics card: the processor plays webgpu, by ${env['VK_ICD_FILENAMES']}.`);
  const sides: Measured[] = [];
  try {
    for (const row of ROWS) {
      const child = start(row, env);
      const first = await nextAnswer<Answer>(child, processOf(row));
      if ('leftOut' in first) console.log(`${row.title}: left out. ${first.leftOut}`);
      else sides.push({row, child, times: {mnistMoe: [], dense: []}});
    }
    for (let round = -1; round < rounds; ++round) {
      for (const {row, child, times} of sides) {
        child.send('measure');
        const {milliseconds} = await nextAnswer<{milliseconds: Record<Work, number>}>(child, processOf(row));
        if (round < 0) continue;
        for (const work of Object.keys(WORK) as Work[]) times[work].push(milliseconds[work]);
      }
    }
  } finally {
    for (const {child} of sides) child.kill();
  }
  const figures = print(sides, rounds);
  if (json) console.log(JSON.stringify(figures));
}

/** Prints a line a backend; returns the times over those of wasm with our kernels. */
function print(sides: readonly Measured[], rounds: number): Record<string, number> {
  const {times: under} = sides.find(({row}) => row === KERNELS)!;
  const figures: Record<string, number> = {};
  const head = Object.values(WORK).map(title => `${title.padStart(26)}       over`);
  console.log(`\nmedian of ${rounds} rounds`.padEnd(25) + head.join(''));
  for (const {row, times} of sides) {
    const cells = (Object.keys(WORK) as Work[]).map(work => {
      const ratio = medianRatio(times[work], under[work]);
      if (row !== KERNELS) figures[`${work}${row.key}`] = Number(ratio.toFixed(3));
      return `${median(times[work]).toFixed(2)} ms`.padStart(26) + `${ratio.toFixed(2)} x`.padStart(11);
    });
    console.log(`  ${row.title.padEnd(22)}${cells.join('')}`);
  }
  return figures;
}

const processOf = ({title}: Row) => `backends: the process of ${title}`;

function start(side: Row, env: NodeJS.ProcessEnv): ChildProcess {
  const program = fileURLToPath(new URL('./backends-child.ts', import.meta.url));
  return fork(program, [JSON.stringify(side)], {execArgv: ['--import', 'tsx'], env});
}
