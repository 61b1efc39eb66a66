// The option that names an estimator.
// SPDX-License-Identifier: Apache-2.0
import {InvalidArgumentError, Option} from 'commander';
import {ESTIMATOR_ALIASES, ESTIMATORS, type EstimatorAlias, type EstimatorName} from 'tfjs-moe/estimators';

/** Takes an identifier or an alias, and gives the identifier. */
export function estimatorOption(flags: string, description: string, standard: EstimatorName): Option {
  const choices = [...Object.keys(ESTIMATORS), ...Object.keys(ESTIMATOR_ALIASES)];
  return new Option(flags, description)
    .choices(choices)
    .default(standard)
    .argParser(name => {
      if (!choices.includes(name)) throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
      return ESTIMATOR_ALIASES[name as EstimatorAlias] ?? (name as EstimatorName);
    });
}
