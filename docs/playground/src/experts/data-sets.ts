// Points of the plane with a class or a value, which the experts share among themselves.
// SPDX-License-Identifier: Apache-2.0
import {type RandomSource, seeded} from 'tfjs-moe';

/** Points and what is to be predicted for them. */
export interface Sample {
  /** x and y of each point in turn, about -1 to 1; twice as many numbers as points. */
  points: Float32Array;
  /** Of each point: 0 or 1 for classes, a number of about -1 to 1 for values. */
  targets: Float32Array;
}

/** A row of the table. */
export interface DataSet {
  /** Its name in prose. */
  title: string;
  /** What the targets are. */
  kind: 'classes' | 'values';
  /** Draws point number `index`, without noise: x, y and the target. `uniform` gives the next number of (0, 1). */
  draw: (index: number, uniform: () => number) => [x: number, y: number, target: number];
}

const FULL_TURN = 2 * Math.PI;
const MOON_SCALE = 1.6; // the two half circles are 3 wide and 1.5 high
const SPIRAL_TURNS = 1.25;
const FIELDS = 4; // of a row of the checkerboard
const NUM_BLOBS = 6;
const BLOB = {distance: 0.65, radius: 0.22};

/** The slopes of the three planes: [along x, along y, height]. */
const PLANES = [
  [0.2, 0.9, -0.1],
  [-0.9, 0.2, 0.3],
  [0.6, -0.4, 0.5],
] as const;

/** Every data set by its identifier. */
export const DATA_SETS = {
  moons: {
    title: 'Two moons',
    kind: 'classes',
    draw(index, uniform) {
      const target = index % 2;
      const angle = Math.PI * uniform();
      const [x, y] = target ? [1 - Math.cos(angle), 0.5 - Math.sin(angle)] : [Math.cos(angle), Math.sin(angle)];
      return [(x - 0.5) / MOON_SCALE, (y - 0.25) / MOON_SCALE, target];
    },
  },
  spirals: {
    title: 'Two spirals',
    kind: 'classes',
    draw(index, uniform) {
      const target = index % 2;
      const along = Math.sqrt(uniform()); // as many points on each stretch of the arm
      const radius = 0.1 + 0.85 * along;
      const angle = FULL_TURN * (SPIRAL_TURNS * along + target / 2);
      return [radius * Math.cos(angle), radius * Math.sin(angle), target];
    },
  },
  checkerboard: {
    title: 'Checkerboard',
    kind: 'classes',
    draw(_index, uniform) {
      const [x, y] = [uniform(), uniform()];
      return [2 * x - 1, 2 * y - 1, (Math.floor(FIELDS * x) + Math.floor(FIELDS * y)) % 2];
    },
  },
  blobs: {
    title: 'Six blobs',
    kind: 'classes',
    draw(index, uniform) {
      const blob = index % NUM_BLOBS;
      const centre = (FULL_TURN * blob) / NUM_BLOBS;
      const [radius, angle] = [BLOB.radius * Math.sqrt(uniform()), FULL_TURN * uniform()];
      const x = BLOB.distance * Math.cos(centre) + radius * Math.cos(angle);
      const y = BLOB.distance * Math.sin(centre) + radius * Math.sin(angle);
      return [x, y, blob % 2];
    },
  },
  planes: {
    title: 'Three planes (values)',
    kind: 'values',
    draw(_index, uniform) {
      const [x, y] = [2 * uniform() - 1, 2 * uniform() - 1];
      const [alongX, alongY, height] = PLANES[sectorOf(x, y)]!;
      return [x, y, alongX * x + alongY * y + height];
    },
  },
} satisfies Record<string, DataSet>;

/** An identifier of `DATA_SETS`. */
export type DataSetName = keyof typeof DATA_SETS;

/** What a sample depends on. */
export interface SampleOptions {
  /** How many points. */
  count: number;
  /** Standard deviation of what is added to both coordinates of a class's points, and to the value of the others. */
  noise: number;
  /** Two samples of one seed with different streams have no point in common. */
  seed: number;
  stream: number;
}

/** Draws points of a data set: the same for the same seed and stream, and half of each class where there are two moons, spirals or blobs. */
export function sampleDataSet(name: DataSetName, {count, noise, seed, stream}: SampleOptions): Sample {
  const {kind, draw}: DataSet = DATA_SETS[name];
  const random = seeded(seed).split(stream);
  const ofNoise = random.split(0);
  const uniform = oneByOne(random);
  const points = new Float32Array(2 * count);
  const targets = new Float32Array(count);
  for (let i = 0; i < count; ++i) {
    const [x, y, target] = draw(i, uniform);
    const [first, second] = normalPair(ofNoise);
    const [ofPosition, ofTarget] = kind === 'classes' ? [noise, 0] : [0, noise];
    points[2 * i] = x + ofPosition * first;
    points[2 * i + 1] = y + ofPosition * second;
    targets[i] = target + ofTarget * first;
  }
  return {points, targets};
}

/** Which third of the full turn a point is in, counted from the positive x axis. */
function sectorOf(x: number, y: number): number {
  const turn = Math.atan2(y, x) / FULL_TURN;
  return Math.floor(3 * (turn < 0 ? turn + 1 : turn)) % 3;
}

/** A source makes four numbers at a time and throws away what is left of a call: so they are fetched in blocks. */
function oneByOne(random: RandomSource): () => number {
  let block = random.uniform(0);
  let next = 0;
  return () => {
    if (next === block.length) {
      block = random.uniform(256);
      next = 0;
    }
    return block[next++]!;
  };
}

/** Two independent standard normal numbers (Box and Muller). */
function normalPair(random: RandomSource): [number, number] {
  const [first, second] = random.uniform(2) as unknown as [number, number];
  const radius = Math.sqrt(-2 * Math.log(first));
  return [radius * Math.cos(FULL_TURN * second), radius * Math.sin(FULL_TURN * second)];
}
