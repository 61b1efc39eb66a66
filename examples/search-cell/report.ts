// What a finished run leaves and says.
// SPDX-License-Identifier: Apache-2.0
import {dirname, join} from 'node:path';
import {ESTIMATORS} from 'tfjs-moe/estimators';
import {cellPicture, deriveModel, formatArchitecture, NAS_BENCH_201_OPERATIONS} from 'tfjs-moe/layers';
import {fileSystem, writeAtomically} from 'tfjs-moe/node';
import type {Space} from '../data/nas-bench-table.js';
import {saveChart} from '../shared/charts.js';
import {RUN_FILES} from '../shared/output-folder.js';
import {appendJsonLine, saveJsonLines} from '../shared/results.js';
import {formatTable} from '../shared/table.js';
import {saveResult} from '../shared/training-program.js';
import {runChart} from './chart.js';
import {type CellSummary, summarizeCell} from './collapse.js';
import type {SearchData} from './data.js';
import {describeEvaluation, type Evaluation, evaluateModel, settleStatistics} from './evaluate.js';
import {judge, SPACES, type TableVerdict} from './judge.js';
import type {EpochRecord, Run} from './run-state.js';
import {PROGRAM, type Settings} from './settings.js';

/** Beside the folders of the runs: a line for each that has finished. */
export const RESULTS = 'results.jsonl';
/** The drawing of the cell. */
export const CELL = 'cell.svg';

/** What a run found. */
export interface Figures extends CellSummary {
  /** The likeliest cell, in the form of NAS-Bench-201. */
  architecture: string;
  /** The same, the operation's index on each edge. */
  choices: number[];
  /** What the table says of it; null where there is none. */
  table: TableVerdict | null;
  /** Of the last epoch; see EpochRecord. */
  last: Pick<
    EpochRecord,
    | 'weightLoss'
    | 'weightAccuracy'
    | 'choiceLoss'
    | 'choiceAccuracy'
    | 'validationAccuracy'
    | 'entropy'
    | 'probabilities'
  >;
  /** Of the plain network on held-out images, with the weights of the search. */
  test: Evaluation;
}

/** Measures what was found and writes the results; `result.json` comes last and says that the run is finished. */
export async function report(output: string, run: Run, data: SearchData): Promise<void> {
  const {settings, network, state} = run;
  const {architecture} = network;
  const choices = await architecture.likeliest();
  const probabilities = await architecture.probabilities();
  await settleStatistics(network, choices, data, settings.batchSize);
  const model = await deriveModel(network.model);
  await model.save(fileSystem(join(output, RUN_FILES.model)));
  const test = await evaluateModel(model, data);
  model.dispose();
  await saveJsonLines(join(output, RUN_FILES.history), state.history);
  const title = `${PROGRAM}: ${describeData(settings)}, ${describeMethod(settings)}`;
  const drawing = {operations: NAS_BENCH_201_OPERATIONS, probabilities, choices, title: describeMethod(settings)};
  const picture = cellPicture(drawing);
  await writeAtomically(join(output, CELL), picture);
  await saveChart(join(output, RUN_FILES.chart), runChart(state.history, title));
  const {weightLoss, weightAccuracy, choiceLoss, choiceAccuracy, validationAccuracy, entropy} = state.history.at(-1)!;
  const figures: Figures = {
    architecture: formatArchitecture(choices),
    choices,
    ...summarizeCell(choices),
    table: data.table ? judge(data.table, choices) : null,
    last: {weightLoss, weightAccuracy, choiceLoss, choiceAccuracy, validationAccuracy, entropy, probabilities},
    test,
  };
  const result = await saveResult(output, {program: PROGRAM, settings, figures, state});
  await appendJsonLine(join(dirname(output), RESULTS), result);
  console.log(describeFigures(figures));
  console.log(describeEvaluation(test));
  console.log(`${state.step} pairs of steps in ${state.seconds.toFixed(1)} s; results in ${output}`);
}

function describeFigures({architecture, hasCollapsed, counts, table}: Figures): string {
  const edges = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`);
  const lines = [
    `\nthe cell found: ${architecture}`,
    `${edges.join(', ')}${hasCollapsed ? '; it has collapsed: no convolution has a way from its input to its output' : ''}`,
  ];
  if (table === null) return [...lines, 'There is no table to look it up.\n'].join('\n');
  const rows = (Object.keys(SPACES) as Space[]).map(space => [
    SPACES[space],
    table.accuracies[space].valid.toFixed(2),
    table.accuracies[space].test.toFixed(2),
    table.rank[space].toLocaleString('en-US'),
    table.regret[space].toFixed(2),
  ]);
  const headings = ['NAS-Bench-201, accuracy in %', 'valid', 'test', 'rank of 15,625', 'below the best'];
  return [...lines, '', formatTable(headings, rows), ''].join('\n');
}

/** What a run searched on; runs of the same stand in one group of comparisons. */
export function describeData({setting, dataset, shrink, channels, cells, epochs, images}: Settings): string {
  const size = shrink === 1 ? '' : ` at 1/${shrink} size`;
  return `${dataset}${size}, ${setting}: C = ${channels}, N = ${cells}, ${epochs} epochs of ${images.toLocaleString('en-US')}`;
}

/** What tells a run from others on the same. */
export function describeMethod({estimator, temperature, finalTemperature, unsampled}: Settings): string {
  const ramp = temperature === finalTemperature ? '' : ` to ${finalTemperature}`;
  return `${ESTIMATORS[estimator].title}, τ = ${temperature}${ramp}, ${unsampled}`;
}
