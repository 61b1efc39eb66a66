// Digits to choose from, as thumbnails.
// SPDX-License-Identifier: Apache-2.0
import {useId} from 'preact/hooks';
import type {Digit} from './asset.js';
import {Picture} from './picture.js';

interface DigitChoiceProps {
  label: string;
  digits: readonly Digit[];
  /** The index of the one that is chosen; undefined for none. */
  value: number | undefined;
  onChange: (index: number) => void;
}

/** Radio buttons. */
export function DigitChoice({label, digits, value, onChange}: DigitChoiceProps) {
  const id = useId();
  return (
    <div class="codes-digits" role="radiogroup" aria-label={label}>
      {digits.map(({label: digit, pixels}, i) => (
        <label key={i}>
          <input
            type="radio"
            name={id}
            value={i}
            checked={i === value}
            aria-label={`a ${digit}, number ${i + 1} of ${digits.length}`}
            onChange={() => onChange(i)}
          />
          <Picture pixels={pixels} />
        </label>
      ))}
    </div>
  );
}
