// A number that the lab has found, with its name and unit.
// SPDX-License-Identifier: Apache-2.0

interface FigureProps {
  label: string;
  /** Undefined while it is not known: shown as a dash. */
  value: number | string | undefined;
  unit?: string;
  /** After the point. Default 2. */
  digits?: number;
}

/** Stands inside a `<dl class="figures">`. */
export function Figure({label, value, unit, digits = 2}: FigureProps) {
  const text = typeof value === 'number' ? (Number.isFinite(value) ? value.toFixed(digits) : '–') : (value ?? '–');
  return (
    <div class="figure">
      <dt>{label}</dt>
      <dd>
        {text}
        {unit && <span class="unit"> {unit}</span>}
      </dd>
    </div>
  );
}
