// The problem, random search and evolution against slow oracles and closed forms, and the statistics.
// SPDX-License-Identifier: Apache-2.0
import {describe, expect, test} from 'vitest';
import {evolution, evolve, mutate, POPULATION, TOURNAMENT} from '../../examples/search-table/evolution.js';
import {curvePoints, figuresOf, incumbents, quantile} from '../../examples/search-table/figures.js';
import {formatMethod, parseMethod, titleOf} from '../../examples/search-table/methods.js';
import {choicesOf, codeOf, createProblem, NUM_CELLS, type Problem} from '../../examples/search-table/problem.js';
import {randomCells, randomSearch} from '../../examples/search-table/random-search.js';
import {bySeed, inParts, type SearchTask, streamOf} from '../../examples/search-table/search.js';
import {carries, createSyntheticTable} from '../../examples/search-table/synthetic-table.js';
import {targetsOf} from '../../examples/search-table/targets.js';
import {expectClose} from '../support/expect-close.js';

/** How many standard errors a right program may be off, by chance alone once in 16,000 times. */
const ERRORS = 4;
/** Of sums in float64. */
const ROUNDING = 1e-9;

const problem: Problem = createProblem(createSyntheticTable(3), 'cifar10', 'valid-200');
const task = (seeds: number[], evaluations: number): SearchTask => ({
  problem,
  seeds,
  evaluations,
  turn: async () => true,
});
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('the problem', () => {
  test('codes count all choices, the first edge the highest', () => {
    expect(choicesOf(0)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(choicesOf(5 ** 5 + 2)).toEqual([1, 0, 0, 0, 0, 2]);
    for (const code of [0, 7, 3124, 9000, NUM_CELLS - 1]) expect(codeOf(choicesOf(code))).toBe(code);
  });

  test('the columns of a table in another order are read cell by cell', () => {
    // The index is the code backwards: what stands at the table's place 0 belongs to the last code.
    const backwards = (column: number) => Float64Array.from({length: NUM_CELLS}, (_, index) => column + index / 1000);
    const seen: unknown[] = [];
    const table = {
      source: '',
      indexOf: (choices: readonly number[]) => NUM_CELLS - 1 - codeOf(choices),
      column: (...which: unknown[]) => {
        seen.push(which);
        return backwards(which[1] === 'valid' ? 10 : 50);
      },
    };
    const {signal, test: accuracy, regret, rank, bestSignal, floor} = createProblem(table, 'cifar100', 'valid-12');
    expect(seen).toEqual([
      ['cifar100', 'valid', 12],
      ['cifar100', 'test', 200],
    ]);
    expect([signal[0], signal[NUM_CELLS - 1]]).toEqual([10 + 15.624, 10]);
    expect([accuracy[0], regret[0], rank[0]]).toEqual([50 + 15.624, 0, 1]);
    expect(regret[100]).toBeCloseTo(0.1, 9);
    expect(rank[100]).toBe(101);
    expect([bestSignal, floor]).toEqual([10 + 15.624, 0]);
  });

  test('rank and floor are those of a slow count, equal accuracies with the better rank', () => {
    for (const code of [0, 1, 40, 5000, 12345]) {
      const better = problem.test.filter(accuracy => accuracy > problem.test[code]!).length;
      expect(problem.rank[code]).toBe(1 + better);
    }
    expect(problem.rank[0]).toBe(problem.rank[1]); // neither leads anywhere
    const best = problem.signal.findIndex(value => problem.signal.every(other => other <= value));
    expect(problem.floor).toBe(Math.max(...problem.test) - problem.test[best]!);
  });
});

describe('the synthetic table', () => {
  test('is 0 exactly where no path leads from the input to the output, by a search of the graph', () => {
    const edges = [
      [0, 1],
      [0, 2],
      [1, 2],
      [0, 3],
      [1, 3],
      [2, 3],
    ];
    const column = createSyntheticTable(3).column('cifar10', 'test', 200);
    let dead = 0;
    for (let code = 0; code < NUM_CELLS; ++code) {
      const choices = choicesOf(code);
      const reached = new Set([0]);
      for (let round = 0; round < 3; ++round) {
        edges.forEach(([from, to], edge) => {
          if (choices[edge] !== 0 && reached.has(from!)) reached.add(to!);
        });
      }
      expect(carries(choices)).toBe(reached.has(3));
      expect(column[code] === 0).toBe(!reached.has(3));
      dead += Number(!reached.has(3));
    }
    expect(dead).toBeGreaterThan(100);
  });

  test('is the same for the same seed and another for each seed, data set, split and training', () => {
    const columns = [
      createSyntheticTable(3).column('cifar10', 'valid', 200),
      createSyntheticTable(4).column('cifar10', 'valid', 200),
      createSyntheticTable(3).column('cifar100', 'valid', 200),
      createSyntheticTable(3).column('cifar10', 'test', 200),
      createSyntheticTable(3).column('cifar10', 'valid', 12),
    ];
    expect(createSyntheticTable(3).column('cifar10', 'valid')).toEqual(columns[0]);
    expect(new Set(columns.map(column => column[NUM_CELLS - 1])).size).toBe(columns.length);
    for (const column of columns) expect(column.every(value => value >= 0 && value <= 100)).toBe(true);
  });
});

describe('random search', () => {
  test('an order that goes to its end holds every cell once', () => {
    expect(Array.from(randomCells(5, NUM_CELLS)).sort((a, b) => a - b)).toEqual(
      Array.from({length: NUM_CELLS}, (_, i) => i),
    );
    expect(Array.from(randomCells(5, 10))).toEqual(Array.from(randomCells(5, NUM_CELLS).subarray(0, 10)));
  });

  test('the mean regret is the one that order statistics say', async () => {
    // Of n cells drawn without replacement from N, the best by the objective has place r (from 0) in the order of all with probability
    // C(N - 1 - r, n - 1) / C(N, n): it is drawn, and the others come from those behind it. From r to r + 1 the probability changes by
    // (N - r - n) / (N - 1 - r), and it is n / N at r = 0.
    const order = Array.from({length: NUM_CELLS}, (_, code) => code).sort(
      (a, b) => problem.signal[b]! - problem.signal[a]!,
    );
    const expectedRegret = (n: number) => {
      let [probability, sum] = [n / NUM_CELLS, 0];
      order.forEach((code, r) => {
        sum += probability * problem.regret[code]!;
        probability *= Math.max(0, NUM_CELLS - r - n) / (NUM_CELLS - 1 - r || 1);
      });
      return sum;
    };
    const count = 2000;
    const cells = (await randomSearch(
      task(
        Array.from({length: count}, (_, i) => i),
        100,
      ),
    ))!;
    const {curve} = figuresOf(cells, count, problem);
    for (const n of [1, 3, 10, 30, 100]) {
      const i = curve.evaluations.indexOf(n);
      expect(curve.error[i]).toBeGreaterThan(0);
      expect(Math.abs(curve.regret[i]! - expectedRegret(n)), `after ${n}`).toBeLessThan(ERRORS * curve.error[i]!);
    }
  });
});

describe('evolution', () => {
  test('follows a slow evolution that keeps its population in a queue', () => {
    const slow = (evaluations: number, random = streamOf(8, 'evolution')) => {
      const next = () => random.uniform(1)[0]!;
      const born: number[] = [];
      let population: number[] = [];
      while (born.length < evaluations) {
        let child: number;
        if (population.length < POPULATION) {
          child = Math.floor(next() * NUM_CELLS);
        } else {
          const uniforms = random.uniform(3 + TOURNAMENT);
          const rivals = Array.from(uniforms.slice(3), u => population[Math.floor(u * POPULATION)]!);
          const parent = rivals.toSorted((a, b) => problem.signal[b]! - problem.signal[a]!)[0]!;
          child = mutate(parent, [uniforms[0]!, uniforms[1]!, uniforms[2]!]);
          population = population.slice(1);
        }
        born.push(child);
        population.push(child);
      }
      return born;
    };
    expect(Array.from(evolve(problem.signal, 200, streamOf(8, 'evolution')))).toEqual(slow(200));
  });

  test('a mutation gives one edge another operation: each node alike, each edge into it, each operation', () => {
    const cell = codeOf([0, 1, 2, 3, 4, 2]);
    const changes = new Map<string, number>();
    // A grid of 6 x 6 x 4 midpoints meets each choice as often as it is probable.
    const grid = (n: number) => Array.from({length: n}, (_, i) => (i + 0.5) / n);
    for (const node of grid(6)) {
      for (const edge of grid(6)) {
        for (const operation of grid(4)) {
          const child = choicesOf(mutate(cell, [node, edge, operation]));
          const changed = child.flatMap((choice, e) => (choice === choicesOf(cell)[e] ? [] : [`${e}:${choice}`]));
          expect(changed).toHaveLength(1);
          changes.set(changed[0]!, (changes.get(changed[0]!) ?? 0) + 1);
        }
      }
    }
    const expected = new Map<string, number>();
    const share = [12, 6, 6, 4, 4, 4]; // of 36
    choicesOf(cell).forEach((former, e) => {
      for (let choice = 0; choice < 5; ++choice) if (choice !== former) expected.set(`${e}:${choice}`, share[e]!);
    });
    expect(changes).toEqual(expected);
  });

  test('finds better cells than random search with the same evaluations', async () => {
    const seeds = Array.from({length: 100}, (_, i) => i);
    const [evolved, random] = await Promise.all(
      [evolution, randomSearch].map(async search =>
        figuresOf((await search(task(seeds, 300)))!, seeds.length, problem),
      ),
    );
    const [a, b] = [evolved!.curve, random!.curve];
    const error = Math.hypot(a.error.at(-1)!, b.error.at(-1)!);
    expect(b.regret.at(-1)! - a.regret.at(-1)!).toBeGreaterThan(ERRORS * error);
  });
});

describe('searches of many seeds', () => {
  test('the noise of a seed is its own, whoever stands beside it', () => {
    const streams = [4, 5, 6].map(seed => streamOf(seed, 'draws'));
    const together = bySeed(streams).uniform(12);
    expect(together.slice(4, 8)).toEqual(streamOf(5, 'draws').uniform(4));
    expect(bySeed(streams).split(3).uniform(3)[2]).toEqual(streamOf(6, 'draws').split(3).uniform(1)[0]);
    expect(streamOf(5, 'draws').uniform(1)).not.toEqual(streamOf(5, 'evolution').uniform(1));
  });

  test('parts make the whole, and a search that is told to stop gives nothing', async () => {
    const done: number[] = [];
    const parts = inParts(2, randomSearch);
    const turn = async (evaluations: number) => done.push(evaluations) > 0;
    const seeds = [3, 1, 4, 15, 9];
    expect(await parts({...task(seeds, 7), turn})).toEqual(await randomSearch(task(seeds, 7)));
    expect(done).toEqual([0, 7, 14, 21, 28]);
    expect(await parts({...task(seeds, 7), turn: async evaluations => evaluations < 21})).toBe(undefined);
  });
});

describe('statistics', () => {
  const signal = Float64Array.of(5, 7, 7, 9);
  test('the choice is the cell with the best objective so far, the earlier of equal ones', () => {
    expect(Array.from(incumbents(Uint16Array.of(0, 2, 1, 3, 0), signal))).toEqual([0, 2, 2, 3, 3]);
  });

  test('figures of four searches, by hand', () => {
    const small: Problem = {
      signal,
      test: Float64Array.of(80, 90, 94, 92),
      regret: Float64Array.of(14, 4, 0, 2),
      rank: Int32Array.of(4, 3, 1, 2),
      bestSignal: 9,
      floor: 2,
    };
    // After two evaluations the choices are 1, 3, 2 and 0, with regrets 4, 2, 0 and 14: mean 5, squares about it 1 + 9 + 25 + 81 = 116.
    const cells = Uint16Array.of(0, 1, 3, 1, 0, 2, 0, 0);
    const {curve, medianRank, testAccuracy, distinctCells} = figuresOf(cells, 4, small);
    expect(curve.evaluations).toEqual([1, 2]);
    expectClose(curve.regret, [(14 + 2 + 14 + 14) / 4, 5], ROUNDING);
    expect(curve.error[1]).toBeCloseTo(Math.sqrt(116 / 3 / 4), 6);
    expect([curve.lower[1], curve.median[1], curve.upper[1]]).toEqual([1.5, 3, 6.5]);
    expect(curve.found).toEqual([0.25, 0.25]);
    expect(medianRank).toBe(2.5);
    expect(testAccuracy.mean).toBeCloseTo((90 + 92 + 94 + 80) / 4, 9);
    expect(distinctCells).toBe((2 + 2 + 2 + 1) / 4);
  });

  test('curves are told at the first ten evaluations, where regrets are quoted, and at the end', () => {
    const points = curvePoints(250);
    expect(points.slice(0, 10)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const point of [30, 100, 250]) expect(points).toContain(point);
    expect(points.at(-1)).toBe(250);
    expect(points).toEqual([...new Set(points)].sort((a, b) => a - b));
    expect(curvePoints(1)).toEqual([1]);
  });

  test('a quantile lies between its neighbours in proportion', () => {
    expect(quantile([1, 2, 4, 8], 0.5)).toBe(3);
    expect(quantile([1, 2, 4, 8], 0)).toBe(1);
    expect(quantile([1, 2, 4, 8], 1)).toBe(8);
    expect(quantile([3], 0.25)).toBe(3);
  });
});

describe('targets of the surrogate', () => {
  test('are scores of ranks, whatever the values, and equal for equal values', () => {
    // Shares below the middle of each: 1/8, 4/8 for the pair, 7/8.
    const scores = [1 / 8, 4 / 8, 4 / 8, 7 / 8].map(share => -Math.log(1 - share));
    const centre = mean(scores);
    const spread = Math.sqrt(mean(scores.map(score => (score - centre) ** 2)));
    const expected = scores.map(score => (score - centre) / spread);
    expectClose(targetsOf([10, 20, 20, 30]), expected, ROUNDING);
    expectClose(
      targetsOf([90, 88, 91, 90]),
      [1, 0, 3, 2].map(i => expected[i]!),
      ROUNDING,
    );
    expect(Array.from(targetsOf([4, 4, 4]))).toEqual([0, 0, 0]);
  });
});

describe('methods', () => {
  test.each([
    ['random', {name: 'random', option: null}, 'Random search'],
    ['leaveOneOut', {name: 'leaveOneOut', option: 2}, 'REINFORCE, leave-one-out, 2 draws'],
    ['rloo:4', {name: 'leaveOneOut', option: 4}, 'REINFORCE, leave-one-out, 4 draws'],
    ['reinmax', {name: 'reinmax', option: 1}, 'Surrogate, ReinMax'],
    [
      'stgs:0.5',
      {name: 'straightThroughGumbelSoftmax', option: 0.5},
      'Surrogate, Straight-through Gumbel-softmax, τ = 0.5',
    ],
  ])('%s is read, written and titled', (text, choice, title) => {
    expect(parseMethod(text)).toEqual(choice);
    expect(parseMethod(formatMethod(choice))).toEqual(choice);
    expect(titleOf(choice)).toBe(title);
  });

  test.each([
    ['reimax', 'There is no "reimax"; the names are random, evolution, reinforce'],
    ['disarm', 'disarm is for bits, and an edge has five operations.'],
    ['random:3', 'random takes no number.'],
    ['leaveOneOut:1', 'A number of draws is at least 2, as in leaveOneOut:4.'],
    ['reinmax:', 'A temperature is a number above 0, as in reinmax:0.5.'],
    ['reinmax:1:2', 'A temperature is a number above 0'],
  ])('%s is refused', (text, words) => {
    expect(() => parseMethod(text)).toThrow(words);
  });
});
