// The entry point tfjs-moe/node: what runs in Node only. Nothing else in the library imports it.
// SPDX-License-Identifier: Apache-2.0
import '../register-gradients.js';

export {ValueError} from '../errors.js';
export {fileSystem} from './file-system.js';
export {BACKEND_CHOICES, type BackendName, type UseBackendOptions, useBackend} from './use-backend.js';
export {writeAtomically} from './write-atomically.js';
