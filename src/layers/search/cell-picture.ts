// A drawing of a cell: the graph with the likeliest operations, and below it the probabilities of all.
// SPDX-License-Identifier: Apache-2.0
import {checkRange, checkShape, ValueError} from '../../errors.js';
import {checkChoices} from './architecture-string.js';
import {cellEdges, numNodesOf} from './topology.js';

/** What is drawn. */
export interface CellPictureOptions {
  /** The operations' names. */
  operations: readonly string[];
  /** [edge][operation], each row summing to 1; edges in the order 0>1, 0>2, 1>2, 0>3, ... */
  probabilities: readonly (readonly number[])[];
  /** The operation's index on each edge. Default: the likeliest. */
  choices?: readonly number[];
  /** A line above the drawing. */
  title?: string;
}

const MARGIN = 24;
const STEP = 200; // from node to node
const RADIUS = 16;
const RISE = 58; // of an edge's arc, for each node that it passes over
const COLUMN = 128;
const ROW = 26;
const INK = '#1b1f24';
const QUIET = '#57606a';
const BLUE = [9, 105, 218] as const;

/**
 * Draws a cell as an SVG: its nodes in a row, each edge with the operation chosen and its probability (edges of 'none' are dotted), and a table of
 * all probabilities.
 *
 * @returns A whole SVG document of a white ground, as text.
 * @throws ValueError where the probabilities, or the choices, are not those of a cell's edges.
 */
export function cellPicture({operations, probabilities, choices, title}: CellPictureOptions): string {
  const numEdges = probabilities.length;
  const numNodes = numNodesOf(numEdges);
  if (numNodes === undefined) {
    throw new ValueError(
      `cellPicture: probabilities must be those of 1, 3, 6, 10, ... edges of a cell, but got ${numEdges}.`,
    );
  }
  for (const [e, row] of probabilities.entries()) {
    checkShape(
      'cellPicture',
      'probabilities',
      [numEdges, row.length],
      [numEdges, operations.length],
      '[edges, operations]',
    );
    for (const [o, share] of row.entries()) checkRange('cellPicture', `probabilities[${e}][${o}]`, share, 0);
  }
  if (choices !== undefined) checkChoices('cellPicture', choices, numEdges, operations.length);
  const chosen = choices ?? probabilities.map(row => row.indexOf(Math.max(...row)));
  const top = MARGIN + (title === undefined ? 0 : 28);
  const baseline = top + 34 + RISE * Math.max(0, numNodes - 2) + RADIUS;
  const tableTop = baseline + RADIUS + 44;
  const width = 2 * MARGIN + Math.max((numNodes - 1) * STEP + 2 * RADIUS, 64 + operations.length * COLUMN);
  const height = tableTop + (numEdges + 1) * ROW + MARGIN;
  const xOf = (node: number) => MARGIN + RADIUS + node * STEP;

  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      `font-family="system-ui, sans-serif" font-size="13" fill="${INK}">`,
    `<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">` +
      `<path d="M0 0L10 5L0 10z" fill="${QUIET}"/></marker></defs>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
  ];
  if (title !== undefined) parts.push(text(MARGIN, MARGIN + 12, title, 'font-size="16" font-weight="600"'));
  for (const [e, {from, to}] of cellEdges(numNodes).entries()) {
    const choice = chosen[e]!;
    const name = operations[choice]!;
    parts.push(...edgePath(xOf(from), xOf(to), baseline, to - from, name === 'none'));
    const label = `${name} ${percent(probabilities[e]![choice]!)}`;
    const y = baseline - RISE * (to - from - 1) - (to - from === 1 ? 8 : 24);
    parts.push(
      text((xOf(from) + xOf(to)) / 2, y, label, `text-anchor="middle"${name === 'none' ? ` fill="${QUIET}"` : ''}`),
    );
  }
  for (let node = 0; node < numNodes; ++node) {
    const name = node === 0 ? 'in' : node === numNodes - 1 ? 'out' : String(node);
    parts.push(
      `<circle cx="${xOf(node)}" cy="${baseline}" r="${RADIUS}" fill="#fff" stroke="${INK}" stroke-width="1.5"/>`,
      text(xOf(node), baseline + 4.5, name, 'text-anchor="middle"'),
    );
  }
  parts.push(...table(tableTop, numNodes, {operations, probabilities}, chosen), '</svg>');
  return parts.join('\n');
}

/** An arc over the nodes between, or a straight line to the next one. */
function edgePath(x0: number, x1: number, y: number, span: number, isNone: boolean): string[] {
  const dotted = isNone ? ' stroke-dasharray="2 5"' : '';
  const style = `fill="none" stroke="${QUIET}" stroke-width="1.5"${dotted} marker-end="url(#arrow)"`;
  if (span === 1) return [`<path d="M${x0 + RADIUS} ${y}L${x1 - RADIUS - 2} ${y}" ${style}/>`];
  const rise = RISE * (span - 1) + 18;
  const [startX, endX, endY] = [x0 + 8, x1 - 8, y - RADIUS];
  const bend = (x1 - x0) / 4;
  // A cubic curve rises to three quarters of its control points' height.
  const top = y - RADIUS - (rise - RADIUS) / 0.75;
  return [`<path d="M${startX} ${endY}C${startX + bend} ${top} ${endX - bend} ${top} ${endX} ${endY - 1}" ${style}/>`];
}

/** The probabilities of all operations, the more likely the darker. */
function table(
  top: number,
  numNodes: number,
  {operations, probabilities}: Pick<CellPictureOptions, 'operations' | 'probabilities'>,
  chosen: readonly number[],
): string[] {
  const left = MARGIN + 56;
  const parts = operations.map((name, o) =>
    text(left + (o + 0.5) * COLUMN, top - 8, name, `text-anchor="middle" fill="${QUIET}"`),
  );
  for (const [e, {from, to}] of cellEdges(numNodes).entries()) {
    const y = top + e * ROW;
    const nameOf = (node: number) => (node === 0 ? 'in' : node === numNodes - 1 ? 'out' : node);
    parts.push(text(left - 10, y + 17, `${nameOf(from)} → ${nameOf(to)}`, `text-anchor="end" fill="${QUIET}"`));
    probabilities[e]!.forEach((probability, o) => {
      const x = left + o * COLUMN;
      const isChosen = chosen[e] === o;
      const ink = probability > 0.55 ? '#fff' : INK;
      parts.push(
        `<rect x="${x + 1}" y="${y + 1}" width="${COLUMN - 2}" height="${ROW - 2}" fill="rgb(${BLUE.join()})" fill-opacity="${probability.toFixed(3)}"/>`,
        text(
          x + COLUMN / 2,
          y + 17,
          percent(probability),
          `text-anchor="middle" fill="${ink}"${isChosen ? ' font-weight="700"' : ''}`,
        ),
      );
    });
  }
  return parts;
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`;
}

const percent = (share: number) => `${(100 * share).toFixed(share > 0.1 ? 0 : 1)} %`;
