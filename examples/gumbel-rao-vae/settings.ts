// The settings that gumbel-rao-vae alone has, and the network that they make.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import type {CodeShape} from '../sampled-vae/code.js';
import type {Design} from '../sampled-vae/design.js';

/** Beside those of every program with a sampled code. */
export interface OwnSettings {
  /** Categories of each latent variable. */
  arity: number;
  /** The sizes of the latent variables' one-hot vectors together. */
  latentUnits: number;
  /** K of gumbelRao; null for the others. */
  noiseSamples: number | null;
}

/** The name under which the program is called, and its checkpoints are known. */
export const PROGRAM = 'gumbel-rao-vae';

/** Those of the paper. */
export const ARITIES = [2, 4, 8, 16] as const;

/** 784-512-256-code-256-512-784 with ReLU. The paper's own networks could not be had: these are those of the other categorical VAEs. */
export function designOf({arity, latentUnits}: Pick<OwnSettings, 'arity' | 'latentUnits'>): Design {
  return {program: PROGRAM, ...codeOf(arity, latentUnits), hiddenUnits: [512, 256], leak: 0};
}

function codeOf(arity: number, latentUnits: number): CodeShape {
  if (latentUnits % arity !== 0) {
    throw new ValueError(`--latent-units: must be a multiple of the arity ${arity}, but got ${latentUnits}.`);
  }
  return {numLatents: latentUnits / arity, numCategories: arity};
}
