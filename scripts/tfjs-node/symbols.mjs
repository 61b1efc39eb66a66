// Which functions of TensorFlow's C API the addon calls, and whether a library has them.
// SPDX-License-Identifier: Apache-2.0
import {BuildError, run} from './command.mjs';

/**
 * The functions of the C API that C++ sources call, sorted: names that begin with TF_ or TFE_, less the classes of such names that the
 * sources themselves define, and less the functions whose body stands in a header.
 *
 * @param sources The text of each file.
 * @param headers The text of each header of TensorFlow.
 */
export function neededSymbols(sources, headers = []) {
  const code = sources.join('\n').replace(COMMENT, '');
  const own = names(code, /\bclass\s+(TFE?_\w+)/g);
  const inline = names(headers.join('\n').replace(COMMENT, ''), /\binline\b[^;{}()]*?\b(TFE?_\w+)\s*\(/g);
  const called = names(code, /\b(TFE?_\w+)\s*\(/g);
  return [...called].filter(name => !own.has(name) && !inline.has(name)).sort();
}

const COMMENT = /\/\*[\s\S]*?\*\/|\/\/.*/g;
const names = (text, pattern) => new Set(Array.from(text.matchAll(pattern), match => match[1]));

/** The name at the end of a line of `nm -D`, less its version: "000000 T TF_Version@@VERS_1.0" gives TF_Version. */
export function symbolOf(line) {
  return line.slice(line.lastIndexOf(' ') + 1).replace(/@.*/, '');
}

/**
 * Checks that shared libraries export what is needed.
 *
 * @param needed As `neededSymbols` gives it.
 * @param libraries Paths of the libraries.
 * @throws BuildError naming all that none of them exports.
 */
export async function checkSymbols(needed, libraries) {
  const missing = new Set(needed);
  for (const library of libraries) {
    // Unsorted: the library of TensorFlow 2.21 has 436,000 symbols.
    await run('listing the symbols', 'nm', ['-D', '-p', '--defined-only', library], {
      onLine: line => missing.delete(symbolOf(line)),
    });
  }
  if (missing.size === 0) return;
  throw new BuildError(
    `this TensorFlow lacks ${missing.size} of the ${needed.length} functions that the addon calls: ${[...missing].join(', ')}. Try another --version.`,
  );
}
