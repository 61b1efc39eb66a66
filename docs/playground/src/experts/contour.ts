// Where a function on a grid has a certain value: the lines of a map (marching squares).
// SPDX-License-Identifier: Apache-2.0

/** A piece of the line: x and y of both ends, in cells from the middle of the first one. */
export type Segment = [x0: number, y0: number, x1: number, y1: number];

/** The corners of a square in order around it. */
const CORNERS = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
] as const;

/**
 * Finds the line of a value, straight within each square of four neighbouring cells.
 *
 * @param values Row by row, size x size.
 * @param level The value.
 */
export function contour(values: ArrayLike<number>, size: number, level: number): Segment[] {
  const segments: Segment[] = [];
  for (let row = 0; row + 1 < size; ++row) {
    for (let column = 0; column + 1 < size; ++column) {
      const crossings = crossingsOf(([x, y]) => values[(row + y) * size + column + x]! - level);
      // Four of them are a saddle, where both ways to join them are right; the order around the square never crosses.
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        const [[x0, y0], [x1, y1]] = [crossings[i]!, crossings[i + 1]!];
        segments.push([column + x0, row + y0, column + x1, row + y1]);
      }
    }
  }
  return segments;
}

/** Where the function is 0 on the edges of the unit square, in order around it. */
function crossingsOf(height: (corner: readonly [number, number]) => number): [number, number][] {
  const crossings: [number, number][] = [];
  CORNERS.forEach((from, i) => {
    const to = CORNERS[(i + 1) % CORNERS.length]!;
    const [a, b] = [height(from), height(to)];
    if (a > 0 === b > 0) return;
    const share = a / (a - b);
    crossings.push([from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])]);
  });
  return crossings;
}
