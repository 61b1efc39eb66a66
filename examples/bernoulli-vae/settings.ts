// The network of bernoulli-vae, that of Shi et al. 2022, https://arxiv.org/abs/2202.09497.
// SPDX-License-Identifier: Apache-2.0
import type {Design} from '../sampled-vae/design.js';

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'bernoulli-vae';

/** 784-200-200-200 bits-200-200-784. */
export const DESIGN: Design = {
  program: PROGRAM,
  numLatents: 200,
  numCategories: 2,
  hiddenUnits: [200, 200],
  leak: 0.3,
};
