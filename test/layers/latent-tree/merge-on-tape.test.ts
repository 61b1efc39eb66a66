// SPDX-License-Identifier: Apache-2.0
import {mergeOnTape} from '../../../src/layers/latent-tree/merge-on-tape.js';
import {mergeLaws} from './merge-laws.js';

mergeLaws('mergeOnTape', mergeOnTape);
