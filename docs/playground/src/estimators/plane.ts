// Two planes: the triangle of the probabilities, and the plane of gradients, whose entries sum to 0.
// SPDX-License-Identifier: Apache-2.0
import type {Vector} from './moments.js';

/** A place in a picture; y grows downwards. */
export interface Place {
  x: number;
  y: number;
}

/** From the triangle's centre to the corners A, B and C, of length 1. */
export const DIRECTIONS: readonly [Place, Place, Place] = [
  {x: -Math.sqrt(3) / 2, y: 0.5},
  {x: Math.sqrt(3) / 2, y: 0.5},
  {x: 0, y: -1},
];

/** The least probability that the point may give a category: in a corner there is nothing to estimate. */
export const LEAST = 0.01;

/** Where a vector of sum 1 stands in a triangle of radius 1 about the origin. */
export function placeOf(vector: ArrayLike<number>, at = 0): Place {
  const [a, b, c] = [vector[at]!, vector[at + 1]!, vector[at + 2]!];
  return {
    x: a * DIRECTIONS[0].x + b * DIRECTIONS[1].x + c * DIRECTIONS[2].x,
    y: a * DIRECTIONS[0].y + b * DIRECTIONS[1].y + c * DIRECTIONS[2].y,
  };
}

/** The vector of sum 1 at a place; entries are negative outside the triangle. */
export function vectorAt({x, y}: Place): Vector {
  return DIRECTIONS.map(corner => (1 + 2 * (x * corner.x + y * corner.y)) / 3) as unknown as Vector;
}

/** The nearest probabilities that the point may have, along the lines to the centre's categories. */
export function probabilitiesAt(place: Place): Vector {
  const raised = vectorAt(place).map(value => Math.max(value, LEAST));
  const spare = raised.reduce((sum, value) => sum + value - LEAST, 0);
  return raised.map(value => LEAST + ((value - LEAST) * (1 - 3 * LEAST)) / spare) as unknown as Vector;
}

/** A gradient in the plane, of the same length. */
export function gradientPlace(gradient: ArrayLike<number>, at = 0): Place {
  const {x, y} = placeOf(gradient, at);
  const scale = Math.sqrt(2 / 3);
  return {x: scale * x, y: scale * y};
}

/** The covariance of gradients, 3 by 3, as the half axes of its ellipse in the plane: one standard deviation. */
export function ellipseOf(covariance: readonly number[]): {major: number; minor: number; angle: number} {
  let [xx, xy, yy] = [0, 0, 0];
  for (let i = 0; i < 3; ++i) {
    for (let j = 0; j < 3; ++j) {
      const value = (2 / 3) * covariance[3 * i + j]!;
      xx += value * DIRECTIONS[i]!.x * DIRECTIONS[j]!.x;
      xy += value * DIRECTIONS[i]!.x * DIRECTIONS[j]!.y;
      yy += value * DIRECTIONS[i]!.y * DIRECTIONS[j]!.y;
    }
  }
  const middle = (xx + yy) / 2;
  const spread = Math.hypot((xx - yy) / 2, xy);
  return {
    major: Math.sqrt(middle + spread),
    minor: Math.sqrt(Math.max(middle - spread, 0)),
    angle: Math.atan2(2 * xy, xx - yy) / 2,
  };
}
