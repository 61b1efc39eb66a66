// Batch normalisation of rows of channels: their statistics, the normalised rows, and the gradients of both.
// SPDX-License-Identifier: Apache-2.0

/**
 * Rows that are done together, four channels at a time: few enough to stay in the cache while all their channels are done, and to be added
 * up in float32 before the sums go on in float64.
 */
const BLOCK_ROWS: i32 = 32;

/**
 * The mean of each channel and the sum of its squared deviations, over the rows of each chunk in [begin, end).
 *
 * A block of rows is read twice, first for its means and then for the deviations from them; blocks are joined as Chan, Golub and LeVeque 1983
 * join samples. So no square of a large mean is ever formed.
 *
 * @param x float32 [rows, channels].
 * @param partials For each chunk float64 [2, channels]: means, then sums of squares.
 * @param chunkRows Rows of a chunk; the last has what is left.
 */
export function batchMoments(
  x: usize, partials: usize, rows: i32, channels: i32, chunkRows: i32, begin: i32, end: i32, _worker: i32,
): void {
  const stride = (<usize>channels) << 2;
  const whole = stride & ~15;
  const partial = (<usize>channels) << 4;
  for (let chunk = begin; chunk < end; ++chunk) {
    const means = partials + (<usize>chunk) * partial;
    const squares = means + (partial >> 1);
    memory.fill(means, 0, partial);
    const first = chunk * chunkRows;
    const last = min(first + chunkRows, rows);
    for (let row = first; row < last; row += BLOCK_ROWS) {
      const count = min(BLOCK_ROWS, last - row);
      // Of what the joined means are made of, the share that is new; and how much the square of their difference counts.
      const share = <f64>count / <f64>(row - first + count);
      const spread = share * <f64>(row - first);
      const from = x + (<usize>row) * stride;
      let at: usize = 0;
      for (; at < whole; at += 16) {
        momentsOfFour(from + at, stride, count, means + (at << 1), squares + (at << 1), share, spread);
      }
      for (; at < stride; at += 4) {
        momentsOfOne(from + at, stride, count, means + (at << 1), squares + (at << 1), share, spread);
      }
    }
  }
}

/**
 * Joins the chunks that `batchMoments` made, for the channels in [begin, end).
 *
 * @param statistics float32 [2, channels]: means, then variances.
 */
export function joinMoments(
  partials: usize, statistics: usize, rows: i32, channels: i32, chunkRows: i32, begin: i32, end: i32, _worker: i32,
): void {
  const bytes = (<usize>channels) << 2;
  for (let at = (<usize>begin) << 2, until = (<usize>end) << 2; at < until; at += 4) {
    let from = partials + (at << 1);
    let mean: f64 = 0;
    let squares: f64 = 0;
    for (let first = 0; first < rows; first += chunkRows) {
      const count = min(chunkRows, rows - first);
      const share = <f64>count / <f64>(first + count);
      const difference = load<f64>(from) - mean;
      mean += share * difference;
      squares += load<f64>(from + (bytes << 1)) + share * <f64>first * difference * difference;
      from += bytes << 2;
    }
    store<f32>(statistics + at, <f32>mean);
    store<f32>(statistics + bytes + at, <f32>(squares / <f64>rows));
  }
}

/**
 * y = (x - mean) * scale + shift for the rows in [begin, end).
 *
 * @param factors float32 [3, channels]: mean, scale and shift of each channel.
 */
export function batchNormalize(
  x: usize, y: usize, factors: usize, channels: i32, begin: i32, end: i32, _worker: i32,
): void {
  const stride = (<usize>channels) << 2;
  const whole = stride & ~15;
  for (let row = begin; row < end; row += BLOCK_ROWS) {
    const offset = (<usize>row) * stride;
    const bytes = (<usize>min(BLOCK_ROWS, end - row)) * stride;
    let at: usize = 0;
    for (; at < whole; at += 16) {
      const mean = v128.load(factors + at);
      const scale = v128.load(factors + stride + at);
      const shift = v128.load(factors + 2 * stride + at);
      for (let i = offset + at, until = offset + bytes; i < until; i += stride) {
        const deviation = f32x4.sub(v128.load(x + i), mean);
        v128.store(y + i, f32x4.add(f32x4.mul(deviation, scale), shift));
      }
    }
    for (; at < stride; at += 4) {
      const mean = load<f32>(factors + at);
      const scale = load<f32>(factors + stride + at);
      const shift = load<f32>(factors + 2 * stride + at);
      for (let i = offset + at, until = offset + bytes; i < until; i += stride) {
        store<f32>(y + i, (load<f32>(x + i) - mean) * scale + shift);
      }
    }
  }
}

/**
 * The sums of dy and of dy * (x - mean) of each channel, over the rows of each chunk in [begin, end).
 *
 * @param means float32 [channels].
 * @param partials For each chunk float64 [2, channels].
 */
export function batchGradientSums(
  dy: usize, x: usize, means: usize, partials: usize, rows: i32, channels: i32, chunkRows: i32,
  begin: i32, end: i32, _worker: i32,
): void {
  const stride = (<usize>channels) << 2;
  const whole = stride & ~15;
  const partial = (<usize>channels) << 4;
  for (let chunk = begin; chunk < end; ++chunk) {
    const sums = partials + (<usize>chunk) * partial;
    const products = sums + (partial >> 1);
    memory.fill(sums, 0, partial);
    const last = min((chunk + 1) * chunkRows, rows);
    for (let row = chunk * chunkRows; row < last; row += BLOCK_ROWS) {
      const count = min(BLOCK_ROWS, last - row);
      const offset = (<usize>row) * stride;
      let at: usize = 0;
      for (; at < whole; at += 16) {
        const mean = v128.load(means + at);
        sumFour(dy + offset + at, x + offset + at, stride, count, mean, sums + (at << 1), products + (at << 1));
      }
      for (; at < stride; at += 4) {
        const mean = load<f32>(means + at);
        let sum: f64 = 0;
        let product: f64 = 0;
        for (let i = offset + at, until = offset + (<usize>count) * stride; i < until; i += stride) {
          const gradient = load<f32>(dy + i);
          sum += <f64>gradient;
          product += <f64>gradient * <f64>(load<f32>(x + i) - mean);
        }
        store<f64>(sums + (at << 1), load<f64>(sums + (at << 1)) + sum);
        store<f64>(products + (at << 1), load<f64>(products + (at << 1)) + product);
      }
    }
  }
}

/** to[i] = the sum of the numbers i of the chunks that `batchGradientSums` made, in float32; chunks of `count` numbers, i in [begin, end). */
export function joinSums(
  partials: usize, to: usize, chunks: i32, count: i32, begin: i32, end: i32, _worker: i32,
): void {
  const step = (<usize>count) << 3;
  for (let at = (<usize>begin) << 2, until = (<usize>end) << 2; at < until; at += 4) {
    let from = partials + (at << 1);
    let sum: f64 = 0;
    for (let chunk = 0; chunk < chunks; ++chunk) {
      sum += load<f64>(from);
      from += step;
    }
    store<f32>(to + at, <f32>sum);
  }
}

/**
 * dx = ((dy - meanOfDy) - (x - mean) * slope) * scale for the rows in [begin, end).
 *
 * @param factors float32 [4, channels]: mean, meanOfDy, slope and scale of each channel.
 */
export function batchNormalizeGradient(
  dy: usize, x: usize, dx: usize, factors: usize, channels: i32, begin: i32, end: i32, _worker: i32,
): void {
  const stride = (<usize>channels) << 2;
  const whole = stride & ~15;
  for (let row = begin; row < end; row += BLOCK_ROWS) {
    const offset = (<usize>row) * stride;
    const bytes = (<usize>min(BLOCK_ROWS, end - row)) * stride;
    let at: usize = 0;
    for (; at < whole; at += 16) {
      const mean = v128.load(factors + at);
      const meanOfDy = v128.load(factors + stride + at);
      const slope = v128.load(factors + 2 * stride + at);
      const scale = v128.load(factors + 3 * stride + at);
      for (let i = offset + at, until = offset + bytes; i < until; i += stride) {
        const along = f32x4.mul(f32x4.sub(v128.load(x + i), mean), slope);
        v128.store(dx + i, f32x4.mul(f32x4.sub(f32x4.sub(v128.load(dy + i), meanOfDy), along), scale));
      }
    }
    for (; at < stride; at += 4) {
      const mean = load<f32>(factors + at);
      const meanOfDy = load<f32>(factors + stride + at);
      const slope = load<f32>(factors + 2 * stride + at);
      const scale = load<f32>(factors + 3 * stride + at);
      for (let i = offset + at, until = offset + bytes; i < until; i += stride) {
        store<f32>(dx + i, (load<f32>(dy + i) - meanOfDy - (load<f32>(x + i) - mean) * slope) * scale);
      }
    }
  }
}

/** Joins four channels of a block to their means and sums of squares so far. */
function momentsOfFour(
  from: usize, stride: usize, count: i32, means: usize, squares: usize, share: f64, spread: f64,
): void {
  const until = from + (<usize>count) * stride;
  const untilFour = from + (<usize>(count & ~3)) * stride;
  // Four sums, since each addition waits for the one before it.
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let i = from;
  for (; i < untilFour; i += 4 * stride) {
    a = f32x4.add(a, v128.load(i));
    b = f32x4.add(b, v128.load(i + stride));
    c = f32x4.add(c, v128.load(i + 2 * stride));
    d = f32x4.add(d, v128.load(i + 3 * stride));
  }
  for (; i < until; i += stride) a = f32x4.add(a, v128.load(i));
  const center = f32x4.div(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.splat(<f32>count));

  // The center is rounded: what the deviations from it add up to is what it is off by.
  let rest = f32x4.splat(0), rest2 = rest;
  a = rest;
  b = rest;
  const untilTwo = from + (<usize>(count & ~1)) * stride;
  for (i = from; i < untilTwo; i += 2 * stride) {
    const x = f32x4.sub(v128.load(i), center);
    const y = f32x4.sub(v128.load(i + stride), center);
    rest = f32x4.add(rest, x);
    rest2 = f32x4.add(rest2, y);
    a = f32x4.add(a, f32x4.mul(x, x));
    b = f32x4.add(b, f32x4.mul(y, y));
  }
  if (i < until) {
    const x = f32x4.sub(v128.load(i), center);
    rest = f32x4.add(rest, x);
    a = f32x4.add(a, f32x4.mul(x, x));
  }
  rest = f32x4.add(rest, rest2);
  a = f32x4.add(a, b);
  joinTwo(means, squares, center, rest, a, count, share, spread);
  joinTwo(means + 16, squares + 16, upper(center), upper(rest), upper(a), count, share, spread);
}

/** Joins the first two of four channels: `rest` and `sum` add up the deviations of a block from its center and their squares. */
// @ts-ignore: decorator
@inline
function joinTwo(
  means: usize, squares: usize, center: v128, rest: v128, sum: v128, count: i32, share: f64, spread: f64,
): void {
  const before = v128.load(means);
  const deviations = f64x2.promote_low_f32x4(rest);
  const shift = f64x2.div(deviations, f64x2.splat(<f64>count));
  const difference = f64x2.sub(f64x2.add(f64x2.promote_low_f32x4(center), shift), before);
  v128.store(means, f64x2.add(before, f64x2.mul(difference, f64x2.splat(share))));
  const own = f64x2.sub(f64x2.promote_low_f32x4(sum), f64x2.mul(deviations, shift));
  const apart = f64x2.mul(f64x2.mul(difference, difference), f64x2.splat(spread));
  v128.store(squares, f64x2.add(v128.load(squares), f64x2.add(f64x2.max(own, f64x2.splat(0)), apart)));
}

/** The same for one channel, in float64 throughout. */
function momentsOfOne(
  from: usize, stride: usize, count: i32, means: usize, squares: usize, share: f64, spread: f64,
): void {
  const until = from + (<usize>count) * stride;
  let sum: f64 = 0;
  for (let i = from; i < until; i += stride) sum += <f64>load<f32>(i);
  const center = sum / <f64>count;
  let own: f64 = 0;
  for (let i = from; i < until; i += stride) {
    const deviation = <f64>load<f32>(i) - center;
    own += deviation * deviation;
  }
  const before = load<f64>(means);
  const difference = center - before;
  store<f64>(means, before + difference * share);
  store<f64>(squares, load<f64>(squares) + own + difference * difference * spread);
}

/** Adds four channels of a block to their sums so far. */
function sumFour(dy: usize, x: usize, stride: usize, count: i32, mean: v128, sums: usize, products: usize): void {
  let a = f32x4.splat(0), b = a, p = a, q = a;
  let i: usize = 0;
  for (const until = (<usize>(count & ~1)) * stride; i < until; i += 2 * stride) {
    const g = v128.load(dy + i);
    const h = v128.load(dy + i + stride);
    a = f32x4.add(a, g);
    b = f32x4.add(b, h);
    p = f32x4.add(p, f32x4.mul(g, f32x4.sub(v128.load(x + i), mean)));
    q = f32x4.add(q, f32x4.mul(h, f32x4.sub(v128.load(x + i + stride), mean)));
  }
  if (count & 1) {
    const g = v128.load(dy + i);
    a = f32x4.add(a, g);
    p = f32x4.add(p, f32x4.mul(g, f32x4.sub(v128.load(x + i), mean)));
  }
  addFour(sums, f32x4.add(a, b));
  addFour(products, f32x4.add(p, q));
}

/** Adds four numbers to four of float64. */
// @ts-ignore: decorator
@inline
function addFour(to: usize, x: v128): void {
  v128.store(to, f64x2.add(v128.load(to), f64x2.promote_low_f32x4(x)));
  v128.store(to, f64x2.add(v128.load(to, 16), f64x2.promote_low_f32x4(upper(x))), 16);
}

/** The last two of four numbers, in the first two places. */
// @ts-ignore: decorator
@inline
function upper(x: v128): v128 {
  return v128.shuffle<i64>(x, x, 1, 1);
}
