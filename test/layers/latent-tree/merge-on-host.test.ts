// SPDX-License-Identifier: Apache-2.0
import {mergeOnHost} from '../../../src/layers/latent-tree/merge-on-host.js';
import {mergeLaws} from './merge-laws.js';

mergeLaws('mergeOnHost', mergeOnHost);
