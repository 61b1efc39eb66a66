// The digits that the page offers: a few of each class, of those that the network was not trained on.
// SPDX-License-Identifier: Apache-2.0
import {CLASSES, type DigitSet, PIXELS} from '../../examples/data/mnist.js';
import {pickRows} from '../../examples/shared/rows.js';

/** The chosen digits, and where each stood. */
export interface ChosenDigits extends DigitSet {
  rows: number[];
}

/** The first `each` digits of class 0, then of class 1, and so on. */
export function chooseDigits({images, labels}: DigitSet, each: number): ChosenDigits {
  const rows = Array.from({length: CLASSES}, (_, label) => {
    const ofClass = [...labels.keys()].filter(row => labels[row] === label);
    if (ofClass.length < each) throw new Error(`The held-out digits have fewer than ${each} of class ${label}.`);
    return ofClass.slice(0, each);
  }).flat();
  return {
    rows,
    count: rows.length,
    images: pickRows(images, PIXELS, Uint32Array.from(rows)),
    labels: Uint8Array.from(rows, row => labels[row]!),
  };
}
