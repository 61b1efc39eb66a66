// Shows how far a run is: on a terminal a bar that stays in its line, elsewhere one plain line an epoch.
// SPDX-License-Identifier: Apache-2.0
import {Presets, SingleBar} from 'cli-progress';

/** The progress of a run. */
export interface Progress {
  /** Whether there is a bar, and so whether the figures of `update` are seen at all. */
  readonly isBar: boolean;
  /** Moves the bar. `figures` must have the keys that the format names. */
  update(stepsDone: number, figures: Record<string, string>): void;
  /** Prints a line where there is no bar. */
  line(text: string): void;
  /** Leaves the bar as it stands, and frees the line below it. */
  stop(): void;
}

/** What to show. */
export interface ProgressOptions {
  /** Steps of the whole run. */
  total: number;
  /** Steps that were done before, by the run that this one resumes. */
  done: number;
  /** What stands right of the bar, with the figures in braces, such as `loss {loss}`. */
  format: string;
  /** The figures before the first update. */
  figures: Record<string, string>;
}

/** Starts the bar, or nothing where standard output is no terminal. */
export function startProgress({total, done, format, figures}: ProgressOptions): Progress {
  if (!process.stdout.isTTY) {
    return {isBar: false, update: () => {}, line: text => console.log(text), stop: () => {}};
  }
  const bar = new SingleBar(
    {
      stream: process.stdout,
      format: `{bar} {percentage}%  ${format}  {eta_formatted} left`,
      barsize: 10, // the whole line in 80 columns or little more
      fps: 5,
      etaBuffer: 100,
      gracefulExit: false, // a program has its own way with Ctrl-C
    },
    Presets.shades_classic,
  );
  bar.start(total, done, figures);
  return {
    isBar: true,
    update: (steps, latest) => bar.update(steps, latest),
    line: () => {},
    stop: () => bar.stop(),
  };
}

/** Shares as a row of small columns, the highest of them full: a load that fits into a bar. */
export function sparkline(shares: readonly number[]): string {
  const columns = '▁▂▃▄▅▆▇█';
  const highest = Math.max(...shares, Number.MIN_VALUE);
  return shares.map(share => columns[Math.round((share / highest) * (columns.length - 1))]).join('');
}
