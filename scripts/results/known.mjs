// The sections of problems whose answer is known: polynomial, toy-variance, gradient-quality.
// SPDX-License-Identifier: Apache-2.0
import {
  chart,
  commands,
  count,
  distinct,
  groupBy,
  meanAndError,
  readRecords,
  table,
  titleWith,
  withError,
} from './markdown.mjs';
import {SOURCES} from './published.mjs';

/** The estimator of a record of polynomial; the temperature 1 goes without saying. */
const methodOf = ({settings: {estimator, temperature}}) => titleWith(estimator, temperature === 1 ? {} : {temperature});

/** Training loss by method and by a second setting, mean and standard error over seeds; the last row is the least possible. */
function lossTable(records, columnOf, columnTitle) {
  const columns = distinct(records, columnOf);
  const rows = [...groupBy(records, methodOf)].map(([method, runs]) => [
    method,
    ...columns.map(column => {
      const losses = runs.filter(run => columnOf(run) === column).map(run => run.figures.trainingLoss);
      return losses.length > 0 ? meanAndError(losses, 5) : undefined;
    }),
  ]);
  const least = columns.map(column => records.find(run => columnOf(run) === column).figures.optimalLoss.toFixed(5));
  return table(['', ...columns.map(columnTitle)], [...rows, ['the least possible', ...least]]);
}

const seedsOf = records => count(distinct(records, ({seed}) => seed).length, 'seed');

export function polynomial() {
  const [powers, family, batches] = ['polynomial', 'polynomial-family', 'polynomial-batch'].map(readRecords);
  const {latents, batchSize, steps, reportEvery} = powers[0].settings;
  const bySize = [...groupBy(batches, ({settings}) => settings.latents)].map(
    ([bits, records]) =>
      `${bits} bits, ${seedsOf(records)}:\n\n${lossTable(
        records,
        ({settings}) => settings.batchSize,
        size => `batch ${size}`,
      )}`,
  );
  return `## Polynomials of bits (polynomial)

E|D - c|^p over bits D that are drawn. ReinMax's paper (${SOURCES.reinmax}) prints curves and no figures; what can be reached is known. Loss in training of the last
${reportEvery} steps, mean ± standard error where there is more than one seed.

${latents} bits, c = .45, batch ${batchSize}, ${steps.toLocaleString('en')} steps of Adam at .001, ${seedsOf(powers)}:

${lossTable(
  powers,
  ({settings}) => settings.p,
  p => `p = ${p}`,
)}

${chart('polynomial', 'Expected loss over the steps')}

${commands(powers, 'polynomial')}

All estimators of both families, p = 2, the k-th bit drawn to (k - 1/2) / ${latents}, batch ${family[0].settings.batchSize}, ${seedsOf(family)}:

${table(
  ['', 'loss', 'evaluations of the objective'],
  [...groupBy(family, methodOf)].map(([method, runs]) => [
    method,
    meanAndError(
      runs.map(run => run.figures.trainingLoss),
      5,
    ),
    runs[0].figures.evaluations || 'all, in closed form',
  ]),
)}

${chart('polynomial-family', 'Expected loss over the steps, both families')}

${commands(family, 'polynomial-family')}

The same with other numbers of bits and sizes of batches, ${batches[0].settings.steps.toLocaleString('en')} steps:

${bySize.join('\n\n')}

${chart('polynomial-batch', 'Loss over the size of batches')}

${commands(batches, 'polynomial-batch')}`;
}

export function toyVariance() {
  const records = readRecords('toy-variance');
  const {cells, trueGradient} = records[0].figures;
  const temperatures = records[0].settings.temperatures;
  const byMethod = kind =>
    groupBy(
      cells.filter(cell => cell.kind === kind),
      ({name, numSamples}) => titleWith(name, {numSamples}),
    );
  const matrix = (value, error) =>
    table(
      ['temperature', ...temperatures],
      [...byMethod('gradient')].map(([method, ofMethod]) => [
        method,
        ...temperatures.map(temperature => {
          const cell = ofMethod.find(candidate => candidate.temperature === temperature);
          return withError(cell[value], cell[error], 4);
        }),
      ]),
    );
  const ends = records[0].settings.descentTemperatures;
  return `## Three categories, enumerated (toy-variance)

A quadratic programme after the Gumbel-Rao paper (${SOURCES.gumbelRao}), which prints curves and whose matrix could not be had. The exact gradient has the length
${Math.hypot(...trueGradient).toFixed(3)}. Enumerated, or ${records[0].settings.draws.toLocaleString('en')} draws with their standard error; seed ${records[0].seed}. Length of the error of the mean:

${matrix('bias', 'biasError')}

Variance, summed over the logits:

${matrix('variance', 'varianceError')}

Mean squared error:

${matrix('meanSquaredError', 'meanSquaredErrorError')}

Loss after ${records[0].settings.steps} steps of descent at rate ${records[0].settings.learningRate}, mean of ${records[0].settings.runs} runs:

${table(
  ['temperature', ...ends],
  [...byMethod('descent')].map(([method, ofMethod]) => [
    method,
    ...ends.map(temperature =>
      ofMethod
        .find(cell => cell.temperature === temperature)
        .loss.at(-1)
        .toExponential(2),
    ),
  ]),
)}

${chart('toy-variance', 'Bias, variance and squared error over temperature and samples')}

${commands(records, 'toy-variance')}`;
}

export function gradientQuality() {
  const records = readRecords('gradient-quality');
  const {figures, settings} = records[0];
  const matrix = (read, digits) =>
    table(
      ['after epoch', ...figures.points.map(({epoch}) => epoch)],
      figures.points[0].variants.map(({name, temperature}, i) => [
        titleWith(name, {temperature}),
        ...figures.points.map(({variants}) => {
          const {mean, error} = read(variants[i]);
          return withError(mean, error, digits);
        }),
      ]),
    );
  return `## The gradient of a real encoder (gradient-quality)

A VAE of 4 variables with 8 categories; the exact gradient from all 4,096 codes, ${settings.draws.toLocaleString('en')} draws of each estimator for each of ${settings.images} digits, seed ${records[0].seed}. The ReinMax
paper (${SOURCES.reinmax}) prints curves of the cosine. Cosine of the mean estimate with the exact gradient, all digits as one vector, with its jackknife error:

${matrix(({batch}) => batch.cosine, 2)}

Length of the error of the mean over that of the exact gradient, mean over the digits ± standard error; the mean is enumerated for straight-through, gapped
straight-through and ReinMax, and that of the draws, with their noise, for the others:

${matrix(({expectedBias, bias}) => expectedBias ?? bias, 2)}

Standard deviation of one draw over the length of the mean estimate, mean over the digits ± standard error:

${matrix(({deviation}) => deviation, 1)}

${chart('gradient-quality', 'Cosine, bias and deviation over training')}

${commands(records, 'gradient-quality')}`;
}
