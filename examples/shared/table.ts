// Text tables, padded so that columns of numbers line up.
// SPDX-License-Identifier: Apache-2.0

/**
 * Lays out a table: the first column to the left, the others to the right, a rule below the headings.
 *
 * @param headings One a column.
 * @param rows As many cells each.
 */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map(row => row[column]!.length)));
  const layOut = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  const rule = widths.map(width => '-'.repeat(width)).join('  ');
  return [layOut(headings), rule, ...rows.map(layOut)].join('\n');
}
