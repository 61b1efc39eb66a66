// The sections of choices among operations and experts: the searches and the mixtures.
// SPDX-License-Identifier: Apache-2.0
import {
  chart,
  commands,
  count,
  groupBy,
  meanAndDeviation,
  meanAndError,
  readRecords,
  table,
  title,
} from './markdown.mjs';
import {SEARCH_CELL, SOURCES} from './published.mjs';

const SEARCHES = {
  random: 'random search, no cell twice',
  evolution: 'regularised evolution, population 10',
  enumerate: 'all cells on the surrogate',
};
const POLICIES = ['reinforce', 'leaveOneOut', 'relax'];

/** What a method of search-table is called: `name` or `name:number`, draws of a policy and the temperature of a surrogate's estimator. */
function searchTitle(method, learningRate) {
  if (method in SEARCHES) return SEARCHES[method];
  const [name, number] = method.split(':');
  const isPolicy = POLICIES.includes(name);
  const parts = [title(name)];
  if (number !== undefined) parts.push(isPolicy ? `${number} draws` : `temperature ${number}`);
  parts.push(isPolicy ? `rate ${learningRate}` : 'on a surrogate');
  return parts.join(', ');
}

export function searchTable() {
  const records = readRecords('search-table');
  const places = [10, 30, 100, 300];
  return `## Searching the table of an architecture space (search-table)

NAS-Bench-201, CIFAR-10, ${records[0].settings.seeds} seeds a method: regret of the test accuracy of the best cell so far, in points, mean ± standard error. No paper has these figures.

${table(
  ['', ...places.map(place => `after ${place} evaluations`), 'found the best objective'],
  records.map(({method, settings, figures: {curve}}) => [
    searchTitle(method, settings.learningRate),
    ...places.map(place => {
      const i = curve.evaluations.indexOf(place);
      return `${curve.regret[i].toFixed(3)} ± ${curve.error[i].toFixed(3)}`;
    }),
    `${(100 * curve.found.at(-1)).toFixed(1)} %`,
  ]),
)}

${chart('search-table', 'Regret over evaluations')}

${commands(records, 'search-table')}`;
}

const OPERATIONS = {
  nor_conv_3x3: '3 x 3',
  nor_conv_1x1: '1 x 1',
  skip_connect: 'skip',
  avg_pool_3x3: 'pool',
  none: 'none',
};

/** What a cell consists of: '3 x 3: 2, skip: 4'. */
const cellTitle = counts =>
  Object.entries(OPERATIONS)
    .filter(([operation]) => counts[operation] > 0)
    .map(([operation, name]) => `${name}: ${counts[operation]}`)
    .join(', ');

const DATASETS = {cifar10: 'CIFAR-10', cifar100: 'CIFAR-100', imagenet16: 'ImageNet16-120'};

export function searchCell() {
  const records = readRecords('search-cell');
  const isEarly = ({settings}) => settings.epochs === 60;
  const rows = runs =>
    runs.map(
      ({
        settings,
        seed,
        figures: {
          counts,
          table: {accuracies, rank},
          hasCollapsed,
        },
      }) => [
        `${title(settings.estimator)}, ${isEarly({settings}) ? `\`--unsampled ${settings.unsampled}\`, ` : ''}seed ${seed}`,
        `${cellTitle(counts)}${hasCollapsed ? ' (collapsed)' : ''}`,
        ...Object.keys(DATASETS).map(name => accuracies[name].test.toFixed(2)),
        rank.cifar10.toLocaleString('en'),
      ],
    );
  const head = [
    '',
    'cell found',
    ...Object.values(DATASETS).map(name => `${name} test, %`),
    'rank of 15,625 (CIFAR-10)',
  ];
  const late = records.filter(record => !isEarly(record));
  const means = [...groupBy(late, ({settings}) => settings.estimator)].flatMap(([estimator, runs]) => [
    [
      `${title(estimator)}, ${count(runs.length, 'seed')}`,
      ...Object.keys(DATASETS).map(name =>
        meanAndDeviation(
          runs.map(({figures}) => figures.table.accuracies[name].test),
          2,
        ),
      ),
    ],
    ['published, 3 seeds', ...Object.keys(DATASETS).map(name => SEARCH_CELL[estimator][name])],
  ]);
  const {images, channels, epochs} = late[0].settings;
  return `## A supernet on CIFAR-10 (search-cell)

GDAS in a small setting: ${images.toLocaleString('en')} images for the weights and as many for the choices, ${channels} channels, one cell a stage, ${epochs} epochs, where the published search (${SOURCES.reinmax}) has
25,000 and 25,000, 16, five and 250. So these are reduced runs. The cell found is looked up in NAS-Bench-201; the papers search on each data set, here on CIFAR-10 alone.

${table(head, rows(late))}

Mean ± standard deviation, as the paper prints them:

${table(['', ...Object.values(DATASETS)], means)}

Earlier searches, ${records.find(isEarly).settings.epochs} epochs on whole images:

${table(head, rows(records.filter(isEarly)))}

${chart('search-cell', 'The likeliest cell over the epochs of the searches')}

${commands(records, 'search-cell')}`;
}

/** Least and largest load of an expert, over a balanced share. */
function loadRange(loads) {
  const ratios = loads.flatMap(load => load.map(share => share * load.length));
  return `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
}

export function mnistMoe() {
  const records = readRecords('mnist-moe');
  const groups = [...groupBy(records, ({data}) => data)];
  return `## Digits with a mixture of experts (mnist-moe)

${records[0].settings.experts} experts, ${title(records[0].settings.estimator)}. No paper has these figures. Accuracy on held-out digits, mean ± standard error over seeds:

${table(
  ['', 'epochs', 'seeds', 'read right, %', 'each seed', 'load of the experts, 1 is balanced', 'training took'],
  groups.map(([data, runs]) => [
    data.split(': ')[1],
    runs[0].settings.epochs,
    runs.length,
    meanAndError(
      runs.map(({figures}) => 100 * figures.testAccuracy),
      2,
    ),
    runs.map(({figures}) => (100 * figures.testAccuracy).toFixed(2)).join(', '),
    loadRange(runs.map(({figures}) => figures.expertLoad)),
    runs.map(({trainingSeconds}) => `${Math.round(trainingSeconds)} s`).join(', '),
  ]),
)}

${chart('mnist-moe', 'Training loss and expert load of the default run')}

${commands(records, 'mnist-moe')}`;
}

export function moeLm() {
  const records = readRecords('moe-lm');
  const groups = [...groupBy(records, ({settings}) => settings.experts !== null)];
  return `## A language model of bytes (moe-lm)

${records[0].data}; ${records[0].settings.steps.toLocaleString('en')} steps. No paper has these figures. Held-out bits per byte, mean ± standard error over seeds:

${table(
  ['', 'seeds', 'bits per byte', 'each seed', 'load of the experts, 1 is balanced', 'weights, and active ones'],
  groups.map(([isSparse, runs]) => [
    isSparse ? `${runs[0].settings.experts} experts, one a byte` : 'dense, as many active weights',
    runs.length,
    meanAndError(
      runs.map(({figures}) => figures.validationBitsPerByte),
      3,
    ),
    runs.map(({figures}) => figures.validationBitsPerByte.toFixed(3)).join(', '),
    isSparse ? loadRange(runs.flatMap(({figures}) => figures.expertLoad)) : undefined,
    `${runs[0].figures.parameters.total.toLocaleString('en')}, ${runs[0].figures.parameters.active.toLocaleString('en')}`,
  ]),
)}

${chart('moe-lm', 'Bits per byte, load of the experts and what they read')}

${commands(records, 'moe-lm')}`;
}
