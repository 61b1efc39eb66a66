// Options that hold a list of values, with commas between them.
// SPDX-License-Identifier: Apache-2.0
import {InvalidArgumentError} from 'commander';

/** Reads an option as a list, each entry by `read`; each value may stand in it once. */
export function listOf<Value>(read: (text: string) => Value): (text: string) => Value[] {
  return text => {
    const values = text.split(',').map(entry => read(entry.trim()));
    const texts = values.map(value => JSON.stringify(value));
    const twice = texts.find((entry, i) => texts.indexOf(entry) !== i);
    if (twice !== undefined) throw new InvalidArgumentError(`It must hold each value once, but ${twice} comes again.`);
    return values;
  };
}
