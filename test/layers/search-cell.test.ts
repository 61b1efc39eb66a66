import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  type ArchitectureLogits,
  architectureLogits,
  formatArchitecture,
  NAS_BENCH_201_OPERATIONS,
  type SearchCell,
  searchCell,
} from 'tfjs-moe/layers';
import {expect, test} from 'vitest';
import {numbers} from '../support/enumerate.js';
import {expectClose, list} from '../support/expect-close.js';
import {LEAVES_LONG, WHY_LONG} from '../support/long-tests.js';
import {modelOf} from '../support/model.js';
import {eachBackendAndKernels} from '../support/with-kernels.js';

const ROUNDING = 1e-5;

const images = (batch = 3, size = 5, channels = 4, seed = 5) =>
  tf.tensor4d(numbers(seed, batch * size * size * channels), [batch, size, size, channels]);

/** A cell with architecture logits outside it, built for images of 4 channels. */
function cellAndArchitecture(
  args: object = {},
  logits: object = {},
): {cell: SearchCell; architecture: ArchitectureLogits} {
  const architecture = architectureLogits({seed: 3, name: 'choices', ...logits});
  const cell = searchCell({seed: 3, name: 'cell', ...args});
  const input = tfl.input({shape: [5, 5, 4]});
  cell.apply([input, architecture.apply(input) as tfl.SymbolicTensor]);
  return {cell, architecture};
}

const run = (cell: SearchCell, architecture: ArchitectureLogits, x: tf.Tensor, training = true) =>
  cell.apply([x, architecture.apply(x, {training}) as tf.Tensor], {training}) as tf.Tensor;

eachBackendAndKernels('SearchCell', () => {
  test('the sampled cell gives what its plain model gives, with the statistics of the batch and with the moving ones', async () => {
    const {cell, architecture} = cellAndArchitecture();
    const x = images();
    for (const choices of [
      [3, 1, 2, 4, 3, 1],
      [0, 0, 3, 0, 4, 2],
      [1, 1, 1, 1, 1, 1],
      [3, 0, 0, 0, 0, 0],
      [2, 2, 2, 4, 4, 4],
      [0, 0, 0, 0, 0, 0],
    ]) {
      architecture.hold(choices);
      const {model, architecture: text} = await cell.deriveArchitecture(choices);
      expect(text).toBe(formatArchitecture(choices));
      expectClose(run(cell, architecture, x), list(model.apply(x, {training: true}) as tf.Tensor), ROUNDING);
      // Both moved their statistics by the same batch: inference goes by them.
      expectClose(run(cell, architecture, x, false), list(model.apply(x) as tf.Tensor), ROUNDING);
      model.dispose();
    }
  });

  test('the derived model has layers of tfjs alone', async () => {
    const {cell} = cellAndArchitecture();
    const {model, operations} = await cell.deriveArchitecture([3, 1, 2, 4, 3, 1]);
    const names = new Set(model.layers.map(layer => layer.getClassName()));
    expect([...names].sort()).toEqual([
      'Add',
      'AveragePooling2D',
      'BatchNormalization',
      'Conv2D',
      'InputLayer',
      'ReLU',
    ]);
    expect(operations).toEqual([3, 1, 2, 4, 3, 1].map(choice => NAS_BENCH_201_OPERATIONS[choice]));
    model.dispose();
  });

  test.skipIf(LEAVES_LONG)(
    `a draw follows the logits, edge by edge, and inference takes the likeliest${WHY_LONG}`,
    () => {
      const {architecture} = cellAndArchitecture();
      const logits = numbers(8, 30, -2, 2);
      architecture.logits.write(tf.tensor2d(logits, [6, 5]));
      const n = 3000;
      const counts = new Array<number>(30).fill(0);
      for (let i = 0; i < n; ++i) {
        const draw = list(architecture.apply(tf.zeros([1]), {training: true}) as tf.Tensor);
        draw.forEach((value, j) => {
          counts[j]! += value;
        });
      }
      expect(architecture.step).toBe(n);
      for (let e = 0; e < 6; ++e) {
        const row = logits.slice(5 * e, 5 * e + 5);
        const z = row.reduce((sum, t) => sum + Math.exp(t), 0);
        const expected = row.map(t => (n * Math.exp(t)) / z);
        const distance = expected.reduce((sum, mean, o) => sum + (counts[5 * e + o]! - mean) ** 2 / mean, 0);
        expect(distance).toBeLessThan(23.5); // chi-square of 4 degrees of freedom, at 1e-4
        const likeliest = list(architecture.apply(tf.zeros([1])) as tf.Tensor).slice(5 * e, 5 * e + 5);
        expect(likeliest.indexOf(1)).toBe(row.indexOf(Math.max(...row)));
      }
    },
  );

  test('cells that share logits make the same choice in a pass, and the gradient of the logits is the sum of theirs', () => {
    const architecture = architectureLogits({seed: 3, name: 'choices'});
    const cells = ['first', 'second'].map(name => searchCell({seed: 3, name, unsampled: 'computed'}));
    const model = modelOf([5, 5, 4], input => {
      const choices = architecture.apply(input) as tfl.SymbolicTensor;
      return cells.reduce((x, cell) => cell.apply([x, choices]) as tfl.SymbolicTensor, input);
    });
    const x = images();
    const gradient = () =>
      tf.variableGrads(
        () => tf.mean(tf.square(model.apply(x, {training: true}) as tf.Tensor)) as tf.Scalar,
        [architecture.logits.read() as tf.Variable],
      );
    const hold = [3, 1, 2, 4, 3, 1];
    architecture.hold(hold);
    const together = list(Object.values(gradient().grads)[0]!);
    // By hand: the second cell with the choice cut off, and the first one likewise.
    const byHand = [0, 1].map(searching => {
      const choice = (t: tf.Tensor, k: number) =>
        k === searching
          ? t
          : tf.tensor2d(
              hold.flatMap(c => [0, 1, 2, 3, 4].map(o => (o === c ? 1 : 0))),
              [6, 5],
            );
      const loss = () => {
        const drawn = architecture.apply(x, {training: true}) as tf.Tensor;
        const output = cells.reduce(
          (value, cell, k) => cell.apply([value, choice(drawn, k)], {training: true}) as tf.Tensor,
          x as tf.Tensor,
        );
        return tf.mean(tf.square(output)) as tf.Scalar;
      };
      return list(Object.values(tf.variableGrads(loss, [architecture.logits.read() as tf.Variable]).grads)[0]!);
    });
    expectClose(
      tf.tensor1d(together),
      byHand[0]!.map((g, i) => g + byHand[1]![i]!),
      ROUNDING,
    );
    expect(Math.max(...together.map(Math.abs))).toBeGreaterThan(1e-4);
  });
});
