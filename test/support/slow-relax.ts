// RELAX for one example by loops in float64, from the formulas of the paper: z~ with its v' written out, and derivatives by central
// differences of the whole construction of z and z~ for a fixed hard draw. The oracle of test/estimators/score/relax.test.ts.

/** f or r: a number for the sample, or the latent, of one example. */
export type OfOne = (x: readonly number[]) => number;

export interface SlowRelaxSettings {
  /** Categories of a latent; 1 says that the logits are log-odds of bits. */
  numCategories: number;
  /** The objective, and what the network adds to it. */
  objective: OfOne;
  network?: OfOne;
  scale: number;
  relaxation: number;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

function softmax(x: readonly number[]): number[] {
  const weights = x.map(Math.exp);
  const total = weights.reduce((a, b) => a + b);
  return weights.map(w => w / total);
}

/** Applies fn to each latent's categories; to each number where these are bits. */
function byLatent(x: readonly number[], size: number, fn: (row: number[], start: number) => number[]): number[] {
  return Array.from({length: x.length / size}, (_, i) => fn(x.slice(i * size, (i + 1) * size), i * size)).flat();
}

/** The estimate for one example's logits, with the uniforms of z and of z~. */
export function slowRelax(
  logits: readonly number[],
  u: readonly number[],
  v: readonly number[],
  {numCategories: size, objective, network = () => 0, scale, relaxation}: SlowRelaxSettings,
): {estimate: number[]; hard: number[]; free: number[]; conditional: number[]} {
  const isBits = size === 1;
  const means = (theta: readonly number[]) => byLatent(theta, size, isBits ? row => row.map(sigmoid) : softmax);
  const freeAt = (theta: readonly number[]) =>
    isBits
      ? theta.map((t, k) => t + Math.log(u[k]! / (1 - u[k]!)))
      : means(theta).map((p, k) => Math.log(p) - Math.log(-Math.log(u[k]!)));
  const free = freeAt(logits);
  const hard = isBits
    ? free.map(z => (z > 0 ? 1 : 0))
    : byLatent(free, size, row => row.map(z => (z === Math.max(...row) ? 1 : 0)));

  const conditionalAt = (theta: readonly number[]) =>
    byLatent(means(theta), size, (p, start) => {
      if (isBits) {
        const [th, b, uniform] = [p[0]!, hard[start]!, v[start]!];
        const rest = b * (uniform * th + 1 - th) + (1 - b) * uniform * (1 - th); // v'
        return [theta[start]! + Math.log(rest / (1 - rest))];
      }
      const exponentials = p.map((_, j) => -Math.log(v[start + j]!));
      const top = exponentials[hard.slice(start, start + size).indexOf(1)]!;
      return p.map((pj, j) => -Math.log(hard[start + j] === 1 ? top : exponentials[j]! / pj + top));
    });
  const conditional = conditionalAt(logits);

  const control = (z: readonly number[]) => {
    const scaled = z.map(value => value / relaxation);
    const soft = isBits ? scaled.map(sigmoid) : byLatent(scaled, size, softmax);
    return scale * (objective(soft) + network(z));
  };
  const probs = means(logits);
  const factor = objective(hard) - control(conditional);
  const step = 1e-5;
  const estimate = logits.map((_, k) => {
    const shifted = (by: number) => logits.map((t, j) => (j === k ? t + by : t));
    const [up, down] = [shifted(step), shifted(-step)];
    const ofFree = control(freeAt(up)) - control(freeAt(down));
    const ofConditional = control(conditionalAt(up)) - control(conditionalAt(down));
    return factor * (hard[k]! - probs[k]!) + (ofFree - ofConditional) / (2 * step);
  });
  return {estimate, hard, free, conditional};
}
