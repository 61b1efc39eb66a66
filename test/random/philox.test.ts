// The generator against the known-answer vectors that its authors publish with Random123 (kat_vectors, rows "philox4x32 10").
import {expect, test} from 'vitest';
import {philox4x32} from '../../src/random/philox.js';

const words = (text: string) => text.split(' ').map(word => Number.parseInt(word, 16));

test.each([
  ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
])('counter %s under key %s gives %s', (counter, key, expected) => {
  const block = new Uint32Array(4);
  philox4x32(Uint32Array.from(words(counter)), Uint32Array.from(words(key)), block);
  expect(Array.from(block)).toEqual(words(expected));
});
