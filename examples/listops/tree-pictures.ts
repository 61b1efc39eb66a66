// Trees to be read: on one line, or drawn above their tokens.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';
import {toSpans} from './trees.js';

/**
 * A tree on one line, with a pair of round brackets for each node, as in `( ( ( [MAX 2 ) 4 ) ] )`.
 *
 * @param merges [n - 1], as in trees.ts.
 * @param names [n]: what to write for each token.
 */
export function treeLine(merges: ArrayLike<number>, names: readonly string[]): string {
  checkNames('treeLine', merges, names);
  const opened = new Int32Array(names.length);
  const closed = new Int32Array(names.length);
  for (const [begin, end] of toSpans(merges)) {
    ++opened[begin]!;
    ++closed[end - 1]!;
  }
  return names.map((name, i) => `${'( '.repeat(opened[i]!)}${name}${' )'.repeat(closed[i]!)}`).join(' ');
}

/**
 * A tree on as many lines as it is high, and its tokens below. A node is a `+` with its two children under the ends of its line.
 *
 * @example
 * treeDrawing([0, 0, 0], ['[MAX', '2', '4', ']']);
 * //      .-+-.
 * //    .-+-. |
 * //   .+-. | |
 * // [MAX 2 4 ]
 */
export function treeDrawing(merges: ArrayLike<number>, names: readonly string[]): string {
  checkNames('treeDrawing', merges, names);
  const tokens = names.join(' ');
  let offset = 0;
  // The entries that are left: the column above which each stands, and its height in lines.
  const entries = names.map(name => {
    const column = offset + Math.floor(name.length / 2);
    offset += name.length + 1;
    return {column, height: 0};
  });
  const rows: string[][] = [];
  const draw = (height: number, column: number, mark: string) => {
    while (rows.length < height) rows.push(Array(tokens.length).fill(' '));
    rows[height - 1]![column] = mark;
  };
  toSpans(merges); // refuses merges that are none
  for (const merge of Array.from(merges)) {
    const [left, right] = entries.slice(merge, merge + 2) as [(typeof entries)[0], (typeof entries)[0]];
    const node = {
      column: Math.floor((left.column + right.column) / 2),
      height: Math.max(left.height, right.height) + 1,
    };
    for (let column = left.column; column <= right.column; ++column) draw(node.height, column, '-');
    for (const child of [left, right]) {
      draw(node.height, child.column, '.');
      for (let height = child.height + 1; height < node.height; ++height) draw(height, child.column, '|');
    }
    draw(node.height, node.column, '+');
    entries.splice(merge, 2, node);
  }
  return [...rows.reverse().map(row => row.join('').trimEnd()), tokens].join('\n');
}

function checkNames(owner: string, merges: ArrayLike<number>, names: readonly string[]): void {
  if (names.length === merges.length + 1) return;
  throw new ValueError(
    `${owner}: a tree of ${merges.length} merges needs ${merges.length + 1} names, but got ${names.length}.`,
  );
}
