// The entry point tfjs-moe/router.
// SPDX-License-Identifier: Apache-2.0
import '../register-gradients.js';

export {groupedMatMul} from '../ops/grouped-mat-mul.js';
export {type RandomSource, seeded, unseeded} from '../random/random-source.js';
export {batchEntropy, entropyLoss, mutualInformation, tokenEntropy} from './entropy.js';
export {importanceLoss} from './importance-loss.js';
export {type LoadBalancingConvention, type LoadBalancingOptions, loadBalancingLoss} from './load-balancing-loss.js';
export {type LoadLossOptions, loadLoss} from './load-loss.js';
export {routerZLoss} from './router-z-loss.js';
export type {TokenMaskOptions} from './tokens.js';
