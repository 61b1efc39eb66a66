// What there is to see with a loss and a temperature, in words; test/estimators states these laws.
// SPDX-License-Identifier: Apache-2.0
import type {LossName} from './losses.js';
import type {Method} from './methods.js';

const OF_LOSS: Record<LossName, string> = {
  linear:
    'A straight line between the corners: the slope at the draw is the slope everywhere. Straight-through and ReinMax are exact on ' +
    'average at temperature 1, and what is left of their bias is noise. Gumbel-softmax bends the line, and is not.',
  quadratic:
    'The slope changes evenly from corner to corner. ReinMax takes the mean of the slopes at both ends, which is exact for a quadratic ' +
    'at temperature 1. Straight-through takes the slope at one end: its arrow goes astray, and more draws do not mend it.',
  cubic:
    'The bend itself changes from corner to corner, so that no estimator with a slope is exact. ReinMax, of second order, is nearer than ' +
    'straight-through, of first order, where the third derivative is small: move c and see.',
  sharp:
    'Steep near c and flat far from it: the slopes at the corners say too little about what lies between. The nearer c is to one half, ' +
    'the smaller the difference that matters beside the slopes that mislead.',
  kink:
    'The slope jumps from −v to +v at c, and the corners do not see where. The slopes at both ends cancel, and ReinMax at temperature 1 ' +
    'finds next to nothing on average, while straight-through is sure of something else.',
  wave:
    'The slope at a corner says nothing about the other corners. Estimators that follow slopes go where the wave sends them; those ' +
    'that compare losses, REINFORCE and its kin, are not misled, and pay in variance.',
  step:
    'There is no slope to follow: every estimator that needs one returns nothing. REINFORCE and its kin need only the loss at the draw, ' +
    'and are right on average here as everywhere.',
};

interface ReadingProps {
  loss: LossName;
  temperature: number;
  /** Whose pages are linked. */
  chosen: readonly Method[];
}

export function Reading({loss, temperature, chosen}: ReadingProps) {
  return (
    <section class="card reading">
      <h3>What one sees</h3>
      <p>{OF_LOSS[loss]}</p>
      {loss !== 'step' && <p>{ofTemperature(temperature)}</p>}
      <p>
        Bias is the length of the error of the mean, and ± what its noise adds; a pale bar is no more than noise.
        Variance is that of one estimate, summed over the logits. More:{' '}
        <a href="../documents/Choosing_an_estimator.html">choosing an estimator</a>,{' '}
        <a href="../documents/The_papers__experiments.html">the papers’ experiments</a>,{' '}
        <a href="../documents/Writing_an_estimator.html">writing one of your own</a>.{chosen.length > 0 && ' In code: '}
        {chosen.map(({name, page}, i) => (
          <span key={name}>
            {i > 0 && ', '}
            <a href={page}>{name}</a>
          </span>
        ))}
      </p>
    </section>
  );
}

function ofTemperature(temperature: number): string {
  if (Math.abs(temperature - 1) < 0.005) {
    return (
      'Temperature 1 is where ReinMax and straight-through have their guarantees. Lower it to see straight-through Gumbel-softmax trade ' +
      'bias for variance.'
    );
  }
  return temperature < 1
    ? 'Below temperature 1 straight-through Gumbel-softmax has less bias and more variance; Gumbel-Rao has the same bias with less ' +
        'variance, and with many samples nears ReinMax at 1. ReinMax itself, off temperature 1, has lost its exactness.'
    : 'Above temperature 1 the gradients are calmer and further off: less variance, more bias. ReinMax at 1.1 to 1.5 is what its paper ' +
        'tunes in deep models, where the noise is the larger evil.';
}
