// Charts as SVG files, from Vega-Lite specifications.
// SPDX-License-Identifier: Apache-2.0
import {writeAtomically} from 'tfjs-moe/node';
import type {TopLevelSpec} from 'vega-lite';

/** Draws a chart. The libraries are loaded here, so that a program that draws at its end starts without them. */
export async function renderChart(spec: TopLevelSpec): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), {renderer: 'none'});
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** Draws a chart into a file, which is replaced as a whole. */
export async function saveChart(path: string, spec: TopLevelSpec): Promise<void> {
  await writeAtomically(path, await renderChart(spec));
}
