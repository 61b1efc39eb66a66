// The files of a sweep: results, one a line; their summary as JSON, as a table of Markdown and as a chart.
// SPDX-License-Identifier: Apache-2.0
import {join} from 'node:path';
import {writeAtomically} from 'tfjs-moe/node';
import {saveChart} from '../shared/charts.js';
import {saveJson, saveJsonLines} from '../shared/results.js';
import {formatTable} from '../shared/table.js';
import {sweepChart} from './chart.js';
import {type Ledger, listResults} from './ledger.js';
import {bestOf, type Statistics, type Summary, summarise} from './summary.js';
import {describeOptions} from './trials.js';

/** The files of a sweep, in its folder. */
export const SWEEP_FILES = {
  results: 'results.jsonl',
  summary: 'summary.json',
  table: 'summary.md',
  chart: 'summary.svg',
  trials: 'trials',
} as const;

/** Replaces the results file by what is finished now. */
export async function saveResults(folder: string, ledger: Ledger): Promise<void> {
  await saveJsonLines(join(folder, SWEEP_FILES.results), listResults(ledger));
}

/** Writes all files of what is finished, and returns the summary. */
export async function saveReport(folder: string, ledger: Ledger): Promise<Summary> {
  const summary = summarise(ledger);
  await saveResults(folder, ledger);
  await saveJson(join(folder, SWEEP_FILES.summary), summary);
  await writeAtomically(join(folder, SWEEP_FILES.table), `${markdownTable(ledger, summary)}\n`);
  if (summary.settings.length > 0) await saveChart(join(folder, SWEEP_FILES.chart), sweepChart(ledger.spec, summary));
  return summary;
}

/** The table for the terminal, with what it says of failures below. */
export function describeSummary(ledger: Ledger, summary: Summary): string {
  const {headings, rows} = tableOf(ledger, summary);
  const lines = summary.settings.length > 0 ? [formatTable(headings, rows)] : [];
  const {name, finished, trials, failed, share, best, figure, goal} = summary;
  lines.push(
    '',
    `${name}: ${finished} of ${trials} trials finished${failed.length > 0 ? `, ${failed.length} failed` : ''}`,
  );
  if (share !== undefined)
    lines.push(`trained ${(100 * share).toFixed(1)} % of what all settings to the end would take`);
  for (const options of best) lines.push(`the ${goal} ${figure}: ${describeOptions(options)}`);
  for (const {options, seed, lastWords} of failed) {
    lines.push(`\nfailed three times: ${describeOptions(options)}, seed ${seed}. Its last words:`, indent(lastWords));
  }
  return lines.join('\n');
}

const indent = (text: string) => text.replace(/^/gm, '  ');

/** The same as Markdown, the best setting in bold. */
function markdownTable(ledger: Ledger, summary: Summary): string {
  const {headings, rows} = tableOf(ledger, summary);
  const best = bestOf(ledger.spec, summary.settings);
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const bold = (cells: string[]) => cells.map(cell => (cell === '' ? cell : `**${cell}**`));
  const body = rows.map((cells, i) =>
    line(best.includes(summary.settings[i]!) && rows.length > 1 ? bold(cells) : cells),
  );
  const {program, finished, trials} = summary;
  const title = `${summary.name}: \`tfjs-moe train ${program}\`, ${finished} of ${trials} trials. Mean ± standard error; (standard deviation).`;
  return [title, '', line(headings), line(headings.map(() => '---')), ...body].join('\n');
}

function tableOf({spec}: Ledger, {settings}: Summary): {headings: string[]; rows: string[][]} {
  const options = [...new Set(settings.flatMap(setting => Object.keys(setting.options)))];
  const figures = [spec.figure, ...spec.also];
  return {
    headings: [...options, 'seeds', ...figures],
    rows: settings.map(setting => [
      ...options.map(name => String(setting.options[name] ?? '')),
      String(setting.seeds.length),
      ...figures.map(name => formatStatistics(setting.figures[name]!)),
    ]),
  };
}

/** As many digits as the standard error makes sense of, or five. */
function formatStatistics({mean, deviation, standardError}: Statistics): string {
  if (deviation === null || standardError === null) return String(Number(mean.toPrecision(5)));
  if (standardError === 0) return `${Number(mean.toPrecision(5))} ± 0 (0)`;
  const digits = Math.min(100, Math.max(0, 1 - Math.floor(Math.log10(standardError))));
  return `${mean.toFixed(digits)} ± ${standardError.toFixed(digits)} (${deviation.toFixed(digits)})`;
}
