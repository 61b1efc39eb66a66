// The errors that users see: one class, and the checks that word it. No other file decides how an error reads.
// SPDX-License-Identifier: Apache-2.0

/** Thrown when an argument is not what a function or layer can work with. The message names the owner and the value received. */
export class ValueError extends Error {
  /** Stands before the message where an error is printed. */
  override readonly name = 'ValueError';
}

/** Writes a received value as it should stand in a message: strings in quotes, shapes and lists in brackets. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `"${value}"`;
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  if (typeof value === 'function') return value.name ? `function ${value.name}` : 'a function';
  if (typeof value === 'object' && value !== null) {
    const name = value.constructor?.name;
    return name && name !== 'Object' ? `a ${name}` : JSON.stringify(value);
  }
  return String(value);
}

/** Refuses anything but a finite number above zero. */
export function checkPositive(owner: string, field: string, value: unknown): asserts value is number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw new ValueError(`${owner}: ${field} must be a positive finite number, but got ${show(value)}.`);
  }
}

/** Refuses anything but a finite number of at least `minimum` and, where given, at most `maximum`. */
export function checkRange(
  owner: string,
  field: string,
  value: unknown,
  minimum: number,
  maximum = Number.POSITIVE_INFINITY,
): asserts value is number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < minimum || value > maximum) {
    const range = maximum === Number.POSITIVE_INFINITY ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new ValueError(`${owner}: ${field} must be a finite number ${range}, but got ${show(value)}.`);
  }
}

/** Refuses anything but a whole number of at least `minimum` and, where given, at most `maximum`. */
export function checkCount(
  owner: string,
  field: string,
  value: unknown,
  minimum: number,
  maximum = Number.POSITIVE_INFINITY,
): asserts value is number {
  if (!Number.isSafeInteger(value) || (value as number) < minimum || (value as number) > maximum) {
    const range = maximum === Number.POSITIVE_INFINITY ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new ValueError(`${owner}: ${field} must be a whole number ${range}, but got ${show(value)}.`);
  }
}

/** Refuses a value that is not in a list of choices. */
export function checkOneOf<T>(owner: string, field: string, value: unknown, choices: readonly T[]): asserts value is T {
  if (!choices.includes(value as T)) {
    throw new ValueError(`${owner}: ${field} must be one of ${choices.map(show).join(', ')}, but got ${show(value)}.`);
  }
}

/** Refuses anything but true and false. */
export function checkBoolean(owner: string, field: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') {
    throw new ValueError(`${owner}: ${field} must be true or false, but got ${show(value)}.`);
  }
}

/**
 * Refuses a tensor of another shape. A null in `expected` stands for any length; `meaning` says in words what the shape is, and
 * stands in the message, such as `[tokens, experts]`.
 */
export function checkShape(
  owner: string,
  field: string,
  shape: readonly (number | null)[],
  expected: readonly (number | null)[],
  meaning: string,
): void {
  const same =
    shape.length === expected.length && expected.every((length, i) => length === null || length === shape[i]);
  if (!same) {
    const wanted = expected.map(length => length ?? 'any').join(', ');
    throw new ValueError(`${owner}: ${field} must have shape ${meaning} = [${wanted}], but got ${show(shape)}.`);
  }
}
