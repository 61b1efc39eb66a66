// A labelled slider whose value stands beside it.
// SPDX-License-Identifier: Apache-2.0
import {useId} from 'preact/hooks';

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  /** Of the value, or, on a logarithmic scale, the number of steps from end to end. Default: a hundredth of the way, or 100 steps. */
  step?: number;
  /** 'log' spaces factors evenly; min must then be above 0. Default 'linear'. */
  scale?: 'linear' | 'log';
  /** How the value is written. Default: at most three significant digits. */
  format?: (value: number) => string;
  unit?: string;
  /** One line below, on what the setting does. */
  hint?: string;
  disabled?: boolean;
  onInput: (value: number) => void;
}

/** Arrow keys move it a step, page keys ten, Home and End to its ends: the browser's own range input. */
export function Slider({label, value, min, max, step, scale = 'linear', format = short, unit, ...rest}: SliderProps) {
  const {hint, disabled, onInput} = rest;
  const id = useId();
  const isLog = scale === 'log';
  const steps = step ?? 100;
  const range = isLog ? {min: 0, max: steps, step: 1} : {min, max, step: step ?? (max - min) / 100};
  const position = isLog ? Math.round((Math.log(value / min) / Math.log(max / min)) * steps) : value;
  const valueAt = (at: number) => (isLog ? min * (max / min) ** (at / steps) : at);
  const text = unit ? `${format(value)} ${unit}` : format(value);
  return (
    <div class="control slider">
      <label for={id}>{label}</label>
      <output for={id}>{text}</output>
      <input
        id={id}
        type="range"
        {...range}
        value={position}
        disabled={disabled}
        aria-valuetext={text}
        aria-describedby={hint && `${id}-hint`}
        onInput={event => onInput(valueAt(event.currentTarget.valueAsNumber))}
      />
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

function short(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en', {maximumSignificantDigits: 3, useGrouping: false});
}
