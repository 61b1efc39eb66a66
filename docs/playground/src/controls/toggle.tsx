// On or off.
// SPDX-License-Identifier: Apache-2.0
import type {ComponentChildren} from 'preact';

interface ToggleProps {
  /** Text, or text with a mark of colour. */
  label: ComponentChildren;
  checked: boolean;
  disabled?: boolean;
  onChange: (checked: boolean) => void;
}

/** A checkbox that looks like a switch. */
export function Toggle({label, checked, disabled, onChange}: ToggleProps) {
  return (
    <label class="control toggle">
      <input
        type="checkbox"
        checked={checked}
        disabled={disabled}
        onChange={event => onChange(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}
