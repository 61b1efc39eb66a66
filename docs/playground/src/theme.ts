// Dark or light: as the system says, until the reader says otherwise, which is kept.
// SPDX-License-Identifier: Apache-2.0
import {useEffect, useState} from 'preact/hooks';

/** The attribute data-theme of the document's root, which style.css reads. */
export type Theme = 'light' | 'dark';

/** index.html reads the same key before the first paint. */
const KEY = 'tfjs-moe.theme';
const listeners = new Set<(theme: Theme) => void>();
const system = matchMedia('(prefers-color-scheme: dark)');

system.addEventListener('change', () => {
  if (keptTheme() === null) apply(system.matches ? 'dark' : 'light');
});

/** The theme that stands. */
export function currentTheme(): Theme {
  return document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light';
}

/** Changes to the other theme and keeps the choice. */
export function toggleTheme(): void {
  const theme = currentTheme() === 'dark' ? 'light' : 'dark';
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  apply(theme);
}

/** The theme that stands, for a component that must draw anew when it changes. */
export function useTheme(): Theme {
  const [theme, setTheme] = useState(currentTheme);
  useEffect(() => {
    listeners.add(setTheme);
    return () => void listeners.delete(setTheme);
  }, []);
  return theme;
}

/** The value of a colour variable of style.css: `color('--series-1')`. For canvases, which know no variables. */
export function color(variable: `--${string}`): string {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}

function apply(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  for (const listener of listeners) listener(theme);
}

function keptTheme(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
