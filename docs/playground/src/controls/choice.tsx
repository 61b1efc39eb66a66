// One of several: as buttons in a row while they are few, as a list where they are many.
// SPDX-License-Identifier: Apache-2.0
import {useId} from 'preact/hooks';

/** One of the things to choose. */
export interface Option<Value extends string> {
  value: Value;
  label: string;
}

interface ChoiceProps<Value extends string> {
  label: string;
  value: Value;
  options: readonly Option<Value>[];
  /** Default: segmented up to four options. */
  as?: 'segmented' | 'select';
  disabled?: boolean;
  onChange: (value: Value) => void;
}

/** The segments are radio buttons: one stop of the Tab key, arrow keys between them. */
export function Choice<Value extends string>({label, value, options, as, disabled, onChange}: ChoiceProps<Value>) {
  const id = useId();
  if ((as ?? (options.length > 4 ? 'select' : 'segmented')) === 'select') {
    return (
      <div class="control choice">
        <label for={id}>{label}</label>
        <select
          id={id}
          value={value}
          disabled={disabled}
          onChange={event => onChange(event.currentTarget.value as Value)}
        >
          {options.map(option => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      </div>
    );
  }
  return (
    <fieldset class="control choice" disabled={disabled}>
      <legend>{label}</legend>
      <div class="segments">
        {options.map(option => (
          <label key={option.value}>
            <input
              type="radio"
              name={id}
              value={option.value}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}
