// What is asked of tfjs-vis. It is handed in by the caller and imported nowhere, so that who draws nothing installs nothing.
// SPDX-License-Identifier: Apache-2.0

/** The part of `@tensorflow/tfjs-vis` that draws; the module itself fits: `import * as tfvis from '@tensorflow/tfjs-vis'`. */
export interface VisLibrary {
  /** The panel that tfjs-vis lays over the page. */
  visor(): VisVisor;
  /** The charts. */
  render: VisRender;
}

/** The panel of tfjs-vis. */
export interface VisVisor {
  /** Finds a place in the panel by its name, or makes it. */
  surface(info: VisSurfaceInfo): VisSurface;
}

/** A place in the panel. */
export interface VisSurface {
  /** The element to draw into. */
  drawArea: HTMLElement;
}

/** The charts that are used. Drawing into the same element again replaces what is there. */
export interface VisRender {
  /** Draws bars. */
  barchart(element: HTMLElement, data: {index: number; value: number}[], options?: VisChartOptions): Promise<void>;
  /** Draws curves. */
  linechart(element: HTMLElement, data: VisCurves, options?: VisChartOptions): Promise<void>;
}

/** A point of a curve. */
export interface VisPoint {
  /** Along the curve. */
  x: number;
  /** The figure there. */
  y: number;
}

/** Curves of tfjs-vis. */
export interface VisCurves {
  /** The points of each curve. */
  values: VisPoint[][];
  /** The name of each curve. */
  series: string[];
}

/** Options of a chart of tfjs-vis. */
export interface VisChartOptions {
  /** Title of the horizontal axis. */
  xLabel?: string;
  /** Title of the vertical axis. */
  yLabel?: string;
  /** Height in pixels. */
  height?: number;
}

/** Where to draw: an element of the page, a surface of tfjs-vis, or the name of one. */
export type VisContainer = HTMLElement | VisSurface | VisSurfaceInfo;

/** The name of a place in the visor of tfjs-vis. */
export interface VisSurfaceInfo {
  /** Stands above the surface, and finds it again. */
  name: string;
  /** The tab of the visor that it is on. */
  tab?: string;
  /** Its size: `width`, `height`, `maxWidth`, `maxHeight` in CSS lengths. What does not fit is reached by scrolling. */
  styles?: Record<string, string>;
}

/** The element that a container stands for; a named surface is found or made in the visor. */
export function elementOf(library: VisLibrary, container: VisContainer): HTMLElement {
  if ('drawArea' in container) return container.drawArea;
  if ('appendChild' in container) return container;
  return library.visor().surface(container).drawArea;
}
