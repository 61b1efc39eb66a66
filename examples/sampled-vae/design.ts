// What tells the autoencoder of one program from that of another.
// SPDX-License-Identifier: Apache-2.0
import type {CodeShape} from './code.js';

/** The code, and the networks around it. */
export interface Design extends CodeShape {
  /** The program, under whose name checkpoints are known. */
  program: string;
  /** Widths of the encoder's hidden layers; the decoder's are the same in reverse. */
  hiddenUnits: readonly number[];
  /** The slope of the hidden units below 0: a leaky ReLU, or with 0 a plain one. */
  leak: number;
}
