// What the papers print, for the column beside ours: values as printed, with their spread, by the names that our records use.
// SPDX-License-Identifier: Apache-2.0

/** Where the figures were read. */
export const SOURCES = {
  reinmax: '[2304.08612](https://arxiv.org/abs/2304.08612)',
  gumbelRao: '[2010.04838](https://arxiv.org/abs/2010.04838)',
};

/** ReinMax paper, table 2: negative bound in training, nats, 160 epochs, 10 seeds, by size and estimator. */
export const MNIST_VAE = {
  '8x4': {
    straightThroughGumbelSoftmax: '126.85 ± .85',
    gumbelRao: '125.94 ± .71',
    gappedStraightThrough: '126.35 ± 1.24',
    straightThrough: '135.53 ± .31',
    reinmax: '124.66 ± .88',
  },
};

/** ReinMax paper, table 6: negative bound in training, nats, a million updates, 5 seeds (ReinMax 10), by data, method and draws. */
export const BERNOULLI_VAE = {
  mnist: {
    'relax:3': '101.99 ± .04',
    'arms:3': '100.84 ± .14',
    'disarm:2': '102.75 ± .08',
    'doubleCV:2': '102.14 ± .06',
    'rodeo:2': '101.89 ± .17',
    'reinmax:2': '98.05 ± .29',
  },
  'fashion-mnist': {'disarm:2': '237.68 ± .13', 'reinmax:2': '234.86 ± .33'},
  omniglot: {'disarm:2': '116.50 ± .04', 'reinmax:2': '107.79 ± .27'},
};

/** Gumbel-Rao paper: test bound, nats, 8 categories, batches of 20, 50,000 updates, each method at its best temperature. */
export const GUMBEL_RAO_VAE = {
  gumbelSoftmax: '95.5',
  reinforce: '203.9',
  straightThroughGumbelSoftmax: '98.0',
  'gumbelRao:100': '96.8',
};

/** Gumbel-Rao paper: test accuracy, %, by length, estimator with its samples, and temperature. */
export const LISTOPS_GUMBEL_RAO = {
  10: {
    straightThroughGumbelSoftmax: {0.01: '38.8', 0.1: '59.3', 1: '65.8'},
    'gumbelRao:10': {0.01: '66.4', 0.1: '66.9', 1: '66.7'},
    'gumbelRao:100': {0.01: '65.6', 0.1: '66.3', 1: '65.9'},
  },
  25: {
    straightThroughGumbelSoftmax: {0.01: '41.2', 0.1: '57.1', 1: '60.2'},
    'gumbelRao:10': {0.01: '60.7', 0.1: '60.8', 1: '60.9'},
    'gumbelRao:100': {0.01: '60.0', 0.1: '61.3', 1: '61.2'},
  },
};

/** ReinMax paper, table 1: test accuracy, %, 20 epochs, 5 seeds. */
export const LISTOPS_REINMAX = {
  straightThroughGumbelSoftmax: '67.30 ± 2.50',
  gumbelRao: '66.53 ± .86',
  gappedStraightThrough: '66.30 ± .62',
  straightThrough: '66.26 ± .48',
  reinmax: '68.07 ± 1.18',
};

/** ReinMax paper, the search on NATS-Bench: test accuracy of the cells found, %, 3 seeds, by data set. */
export const SEARCH_CELL = {
  straightThroughGumbelSoftmax: {cifar10: '93.23 ± .58', cifar100: '68.17 ± 2.50', imagenet16: '39.40 ± .00'},
  reinmax: {cifar10: '93.44 ± .23', cifar100: '69.41 ± 2.24', imagenet16: '42.03 ± .41'},
};
