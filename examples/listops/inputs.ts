// The expressions of a run, as they are published and as the network reads them.
// SPDX-License-Identifier: Apache-2.0
import {loadListOps} from './data-source.js';
import {atMostTokens, FEWER_THAN_100_WORDS, type LengthFilter} from './length-filter.js';
import type {LabelledSequences} from './sequences.js';
import type {Settings} from './settings.js';
import {encodeSequences, TOKENIZATIONS} from './tokenize.js';

/** Expressions in two writings, in the same order. */
export interface ExpressionSet {
  /** As ids of `TOKEN_NAMES`: what lengths are counted in, and trees are right for. */
  expressions: LabelledSequences;
  /** What the network reads. */
  inputs: LabelledSequences;
}

/** The expressions of a run. */
export interface ListOpsData {
  /** Where they came from, in a line that results may quote. */
  source: string;
  /** The folder that they were read from, absolute, where they were read from one. */
  folder: string | undefined;
  train: ExpressionSet;
  valid: ExpressionSet;
  test: ExpressionSet;
  /** How many ids the network may read, without the padding. */
  vocabulary: number;
}

/** Which expressions a run has. */
export type DataSettings = Pick<Settings, 'tokens' | 'maxLength' | 'limit'>;

/** Which lengths a run keeps. */
export function lengthFilter({maxLength}: Pick<Settings, 'maxLength'>): LengthFilter {
  return maxLength === null ? FEWER_THAN_100_WORDS : atMostTokens(maxLength);
}

/**
 * Loads the expressions of a run.
 *
 * @param environment Whether TFJS_MOE_DATA counts: not for a run that must have the expressions that it had.
 */
export async function loadData(
  {tokens, maxLength, limit}: DataSettings,
  {dataDir, environment}: {dataDir: string | undefined; environment: boolean},
): Promise<ListOpsData> {
  const {source, folder, train, valid, test} = await loadListOps({
    dataDir,
    environment,
    filter: lengthFilter({maxLength}),
    trainSize: limit ?? undefined,
    report: line => console.log(line),
  });
  const encode = (expressions: LabelledSequences): ExpressionSet => ({
    expressions,
    inputs: tokens === 'token' ? expressions : encodeSequences(expressions, tokens),
  });
  return {
    source,
    folder,
    train: encode(train),
    valid: encode(valid),
    test: encode(test),
    vocabulary: TOKENIZATIONS[tokens].names.length - 1,
  };
}
