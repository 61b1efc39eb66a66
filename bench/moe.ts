// npm run bench -- moe: what a sparse mixture costs, over the number of experts and over its peers, in one run.
// SPDX-License-Identifier: Apache-2.0
import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {dirname} from 'node:path';
import {fileURLToPath} from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import {useBackend} from 'tfjs-moe/node';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import type {TopLevelSpec} from 'vega-lite';
import {saveChart} from '../examples/shared/charts.js';
import {interleaved, median, medianRatio} from './interleaved.js';
import {bareProducts, denseNetwork, layerStep, mixture, optimizerStep, SIZES} from './moe-steps.js';

const EXPERTS = [1, 2, 4, 8, 16, 32, 64];
/** All experts on all tokens, and one-hot products, take the time of many steps. */
const ROUNDS_OF_ALL_EXPERTS = 1;
/** The cpu backend multiplies in plain loops. */
const TOKENS_ON_CPU = 512;

/** A point of the chart. */
interface Point {
  experts: number;
  milliseconds: number;
  what: string;
  backend: string;
}

/** The command. */
export async function benchMoE({rounds, json, chart}: {rounds: number; json: boolean; chart?: string}): Promise<void> {
  tf.enableProdMode();
  await useBackend('wasm');
  const {tokens, width, hidden} = SIZES;
  console.log(`${tokens} tokens, ${width}-${hidden}-${width}, one expert a token, forward and backward, on wasm\n`);
  const points: Point[] = [];
  const growth64 = timeExperts(rounds, points);
  const figures = {growth64, ...timePeers(rounds)};
  await timeOnCpu(points);
  compareOnWebGPU();
  if (chart !== undefined) {
    await saveChart(chart, costChart(points));
    console.log(`\nchart: ${chart}`);
  }
  if (json) {
    const rounded = Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(3))]);
    console.log(JSON.stringify(Object.fromEntries(rounded)));
  }
}

/** The sparse step from 1 to 64 experts, all experts computed, and the optimizer apart; returns how the sparse step grows. */
function timeExperts(rounds: number, points: Point[]): number {
  const steps = EXPERTS.map(numExperts => layerStep(mixture(numExperts)));
  const sparse = interleaved(byExperts(steps.map(({run}) => run)), rounds, 1);
  const optimizer = interleaved(byExperts(steps.map(({variables}) => optimizerStep(variables))), rounds, 1);
  const all = interleaved(
    byExperts(EXPERTS.map(numExperts => layerStep(mixture(numExperts, {compute: 'dense'})).run)),
    ROUNDS_OF_ALL_EXPERTS,
    1,
  );
  const growth = (times: Record<string, number[]>, numExperts: number) =>
    medianRatio(times[numExperts]!, times[EXPERTS[0]!]!);
  console.log('experts      sparse   over one   all experts   over one   Adam, apart');
  for (const numExperts of EXPERTS) {
    const cell = (times: Record<string, number[]>) => `${median(times[numExperts]!).toFixed(1)} ms`;
    const ratio = (times: Record<string, number[]>) => `${growth(times, numExperts).toFixed(2)} x`;
    const row = [
      String(numExperts).padStart(7),
      cell(sparse).padStart(11),
      ratio(sparse).padStart(10),
      cell(all).padStart(13),
      ratio(all).padStart(10),
      cell(optimizer).padStart(13),
    ];
    console.log(row.join(' '));
    const add = (what: string, times: Record<string, number[]>) =>
      points.push({experts: numExperts, milliseconds: median(times[numExperts]!), what, backend: 'wasm'});
    add('sparse', sparse);
    add('all experts', all);
  }
  return growth(sparse, 64);
}

/** The sparse step of 8 experts over its bare products and over a dense network, and one-hot dispatch over it at 64. */
function timePeers(rounds: number): Record<string, number> {
  const peers = interleaved(
    {sparse: layerStep(mixture(8)).run, dense: layerStep(denseNetwork()).run, products: bareProducts(8)},
    rounds,
    1,
    name => {
      if (name === 'products') unregisterWasmTrainingKernels();
      else registerWasmTrainingKernels();
    },
  );
  registerWasmTrainingKernels();
  const dispatch = interleaved(
    {sparse: layerStep(mixture(64)).run, oneHot: layerStep(mixture(64, {dispatch: 'oneHot'})).run},
    ROUNDS_OF_ALL_EXPERTS,
    1,
  );
  const figures = {
    stepOverMatMuls8: medianRatio(peers.sparse, peers.products),
    stepOverDenseSameActive8: medianRatio(peers.sparse, peers.dense),
    oneHotOverSparse64: medianRatio(dispatch.oneHot, dispatch.sparse),
  };
  const ms = (times: number[]) => `${median(times).toFixed(1)} ms`;
  console.log(
    `\n8 experts: ${ms(peers.sparse)}; their bare products, untransposed and packed, on stock kernels ${ms(peers.products)}: ` +
      `${figures.stepOverMatMuls8.toFixed(2)} x; a dense network as large as one expert ${ms(peers.dense)}: ` +
      `${figures.stepOverDenseSameActive8.toFixed(2)} x`,
  );
  console.log(
    `64 experts: ${ms(dispatch.sparse)}; with one-hot dispatch ${ms(dispatch.oneHot)}: ${figures.oneHotOverSparse64.toFixed(1)} x`,
  );
  return figures;
}

/** The sparse step on the cpu backend. */
async function timeOnCpu(points: Point[]): Promise<void> {
  await useBackend('cpu');
  const times = interleaved(
    byExperts(EXPERTS.map(numExperts => layerStep(mixture(numExperts), TOKENS_ON_CPU).run)),
    1,
    1,
  );
  console.log(`\ncpu, ${TOKENS_ON_CPU} tokens: experts, sparse step`);
  for (const numExperts of EXPERTS) {
    const milliseconds = median(times[numExperts]!);
    console.log(`${String(numExperts).padStart(7)} ${milliseconds.toFixed(0).padStart(8)} ms`);
    points.push({experts: numExperts, milliseconds, what: 'sparse', backend: `cpu, ${TOKENS_ON_CPU} tokens`});
  }
  await useBackend('wasm');
}

/** Where Debian's chromium keeps a Vulkan driver that needs no graphics card. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Output, loss and gradients of each router on webgpu against cpu; a difference is an error, no driver is said. */
function compareOnWebGPU(): void {
  const driver = process.env.VK_ICD_FILENAMES ?? SWIFTSHADER;
  if (!existsSync(driver)) {
    console.log(`\nwebgpu: left out, since ${driver} is not there; VK_ICD_FILENAMES names another Vulkan driver`);
    return;
  }
  const child = fileURLToPath(new URL('./moe-webgpu-child.ts', import.meta.url));
  const libraries = [dirname(driver), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  console.log();
  const {status} = spawnSync(process.execPath, ['--import', 'tsx', child], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {...process.env, VK_ICD_FILENAMES: driver, LD_LIBRARY_PATH: libraries},
  });
  if (status !== 0) process.exitCode = 1;
}

/** Variants named by their number of experts. */
function byExperts(runs: readonly (() => void)[]): Record<string, () => void> {
  return Object.fromEntries(EXPERTS.map((numExperts, i) => [String(numExperts), runs[i]!]));
}

/** Milliseconds a step over the number of experts, both in powers. */
function costChart(points: Point[]): TopLevelSpec {
  const values = points.map(point => ({...point, series: `${point.what}, ${point.backend}`}));
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {text: 'Forward and backward of a mixture with one expert a token', anchor: 'start'},
    width: 480,
    height: 320,
    data: {values: values as unknown as Record<string, unknown>[]},
    mark: {type: 'line', point: true},
    encoding: {
      x: {
        field: 'experts',
        type: 'quantitative',
        scale: {type: 'log', base: 2},
        title: 'Experts',
        axis: {values: EXPERTS},
      },
      y: {field: 'milliseconds', type: 'quantitative', scale: {type: 'log'}, title: 'Milliseconds a step'},
      color: {field: 'series', type: 'nominal', title: null, legend: {labelLimit: 300}},
    },
  };
}
