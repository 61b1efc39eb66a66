// tfjs-moe/wasm: faster kernels for training on the wasm backend.
// SPDX-License-Identifier: Apache-2.0
import '../register-gradients.js';

export {registerWasmTrainingKernels, unregisterWasmTrainingKernels, type WasmTrainingKernels} from './register.js';
export {enableWasmThreads, type WasmThreads} from './threads/enable-threads.js';
