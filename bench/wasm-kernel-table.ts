// Every kernel of tfjs-moe/wasm against what runs without it: the stock kernel, the ops that it fuses, or, where wasm has neither, cpu.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {useBackend} from 'tfjs-moe/node';
import {registerWasmTrainingKernels, unregisterWasmTrainingKernels} from 'tfjs-moe/wasm';
import {interleaved, median, medianRatio} from './interleaved.js';
import {KERNEL_CASES} from './wasm-kernel-cases.js';

/** One timed piece of work takes about this long, so that the clock does not matter. */
const MILLISECONDS = 3;

/** Times every kernel that is registered and prints a table. */
export async function timeEveryKernel(rounds: number): Promise<void> {
  await useBackend('cpu');
  await tf.setBackend('wasm');
  const {kernels} = registerWasmTrainingKernels();
  console.log(
    `\nkernel, by what it does, median of ${rounds} rounds${' '.repeat(52)}without     with ours   times faster`,
  );
  for (const name of kernels) {
    const kernelCase = KERNEL_CASES[name];
    if (!kernelCase) continue;
    const variables = new Set(Object.keys(tf.engine().registeredVariables));
    tf.engine().startScope();
    try {
      const ours = kernelCase.prepare();
      const calls = callsFor(ours);
      unregisterWasmTrainingKernels();
      const stock = works(ours) ? ours : undefined;
      const isOnCpu = stock === undefined;
      if (isOnCpu) await tf.setBackend('cpu');
      const without = stock ?? kernelCase.prepare();
      const times = interleaved({without, ours}, isOnCpu ? 1 : rounds, isOnCpu ? 1 : calls, variant => {
        // Both backends run already, so that setBackend takes effect at once.
        if (isOnCpu) void tf.setBackend(variant === 'ours' ? 'wasm' : 'cpu');
        if (variant === 'ours') registerWasmTrainingKernels();
        else unregisterWasmTrainingKernels();
      });
      const milliseconds = (variant: 'without' | 'ours') => `${median(times[variant]).toFixed(3)} ms`;
      const row = [
        `${milliseconds('without')}${isOnCpu ? ' (cpu)' : '      '}`.padStart(18),
        milliseconds('ours').padStart(11),
        `${medianRatio(times.without, times.ours).toFixed(1)} x`.padStart(12),
      ];
      console.log(`  ${name.padEnd(36)} ${kernelCase.title.padEnd(62)} ${row.join(' ')}`);
    } finally {
      await tf.setBackend('wasm');
      registerWasmTrainingKernels();
      for (const [variable, tensor] of Object.entries(tf.engine().registeredVariables)) {
        if (!variables.has(variable)) tensor.dispose();
      }
      tf.engine().endScope();
    }
  }
}

/** How many calls make a piece of work that is long enough to be timed. */
function callsFor(work: () => void): number {
  work();
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < MILLISECONDS) {
    work();
    ++calls;
  }
  return calls;
}

/** Whether a kernel for it exists. */
function works(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (/not registered/.test((error as Error).message)) return false;
    throw error;
  }
}
