// A button that does something now.
// SPDX-License-Identifier: Apache-2.0
import type {ComponentChildren} from 'preact';

interface ButtonProps {
  children: ComponentChildren;
  /** 'primary' for the one that the lab is about. Default 'plain'. */
  kind?: 'primary' | 'plain';
  /** What it does, where the text is a sign. */
  label?: string;
  /** For one that stays down: whether it is. */
  pressed?: boolean;
  disabled?: boolean;
  onClick: () => void;
}

export function Button({children, kind = 'plain', label, pressed, disabled, onClick}: ButtonProps) {
  return (
    <button
      type="button"
      class={`button ${kind}`}
      aria-label={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
