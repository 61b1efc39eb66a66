// What a sweep is asked for: the JSON file, read and checked.
// SPDX-License-Identifier: Apache-2.0
import {readFile} from 'node:fs/promises';
import {basename} from 'node:path';
import {ValueError} from 'tfjs-moe/node';
import {z} from 'zod';

/** The name of an option of a program, as it is typed but for the dashes. */
const optionName = z
  .string()
  .regex(/^[a-z][a-z0-9-]*$/, 'expected the name of an option without its dashes, such as batch-size');
const optionValue = z.union([z.string(), z.number(), z.boolean()], 'expected a string, a number, true or false');
const options = z.record(optionName, optionValue);
/** Where a figure stands in the figures of a result: `testLoss`, or `test.loss`. */
const figureName = z
  .string()
  .regex(/^[\w$-]+(\.[\w$-]+)*$/, 'expected the name of a figure, such as testLoss or test.loss');

const bounds = z
  .tuple([z.number(), z.number()], 'expected two numbers, the least and the greatest')
  .refine(([least, greatest]) => least < greatest, 'expected the lesser number first');
const range = z.union(
  [
    z.strictObject({linear: bounds}),
    z.strictObject({log: bounds.refine(([least]) => least > 0, 'expected numbers above 0')}),
    z.strictObject({choice: z.array(optionValue).nonempty()}),
  ],
  'expected {"linear": [a, b]}, {"log": [a, b]} with 0 < a, or {"choice": [...]}',
);

const whole = (least: number) =>
  z.int(`expected a whole number of at least ${least}`).min(least, `expected a whole number of at least ${least}`);
const isDistinct = (values: readonly unknown[]) => new Set(values).size === values.length;

const specification = z.strictObject({
  name: z
    .string()
    .regex(/^(?!\.+$)[\w.-]+$/, 'expected letters, digits, dots and dashes, as in the name of a folder')
    .optional(),
  program: z.string(),
  options: options.default({}),
  grid: z.record(z.string(), z.array(z.union([optionValue, options])).nonempty()).default({}),
  random: z.strictObject({draws: whole(1), seed: whole(0).default(0), ranges: z.record(optionName, range)}).optional(),
  seeds: z
    .union(
      [whole(1), z.array(whole(0)).nonempty().refine(isDistinct, 'expected no seed twice')],
      'expected a whole number of at least 1, or a list of seeds',
    )
    .default(1),
  figure: figureName,
  goal: z.enum(['least', 'greatest']),
  also: z.array(figureName).default([]),
  by: z.array(z.string()).default([]),
  halving: z
    .strictObject({option: optionName, from: whole(1), to: whole(2), factor: whole(2).default(3)})
    .refine(({from, to}) => from < to, 'expected from to be less than to')
    .optional(),
});

/** A value of an option. */
export type OptionValue = z.infer<typeof optionValue>;
/** Options of a program, by their names without dashes; true stands for an option that takes no value, false leaves it out. */
export type TrialOptions = Record<string, OptionValue>;
/** What the values of an option are drawn from. */
export type Range = z.infer<typeof range>;
/** A sweep, checked and with its defaults. */
export type SweepSpec = z.infer<typeof specification> & {name: string};

/** What a sweep gives its trials itself, or what is no training. */
const OURS = ['seed', 'output', 'resume', 'overwrite', 'evaluate', 'compare', 'help'];

/**
 * Reads the file of a sweep.
 *
 * @throws ValueError that names the file, the place in it, what is expected there and what was found.
 */
export async function readSpec(path: string): Promise<SweepSpec> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new ValueError(`sweep: ${path} cannot be read: ${(error as Error).message}.`, {cause: error});
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ValueError(`sweep: ${path} is not valid JSON: ${(error as Error).message}.`, {cause: error});
  }
  return checkSpec(value, {path, name: basename(path, '.json')});
}

/**
 * Checks what a file held.
 *
 * @param source Names the file in errors, and the sweep where the file does not.
 */
export function checkSpec(value: unknown, {path, name}: {path: string; name: string}): SweepSpec {
  const {data, error} = specification.safeParse(value);
  if (error) {
    const lines = error.issues.map(issue => {
      const place = issue.path.join('.') || 'the sweep';
      return `  ${place}: ${issue.message}${describeReceived(value, issue.path)}`;
    });
    throw new ValueError(`sweep: ${path} is not a sweep:\n${lines.join('\n')}`);
  }
  checkNames(data, path);
  return {...data, name: data.name ?? name};
}

function describeReceived(value: unknown, path: readonly PropertyKey[]): string {
  const at = path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);
  const text = JSON.stringify(at);
  return text === undefined ? '' : `, but got ${text.length > 80 ? `${text.slice(0, 80)} ...` : text}`;
}

/** Each option has one origin, and none is one that the sweep sets itself. */
function checkNames({options, grid, random, halving, by}: z.infer<typeof specification>, path: string): void {
  const origins: [string, string[]][] = [
    ['options', Object.keys(options)],
    // The values of an axis may be sets of options that vary together; its name is then only a heading.
    ...Object.entries(grid).map(([axis, values]): [string, string[]] => [
      `grid.${axis}`,
      [...new Set(values.flatMap(value => (typeof value === 'object' ? Object.keys(value) : [axis])))],
    ]),
    ['random.ranges', Object.keys(random?.ranges ?? {})],
    ['halving', halving ? [halving.option] : []],
  ];
  const seen = new Map<string, string>();
  for (const [origin, names] of origins) {
    for (const name of names) {
      if (OURS.includes(name)) {
        throw new ValueError(
          `sweep: ${path}: ${origin} sets the option ${name}, which ${name === 'seed' ? 'seeds are there for' : 'the sweep sets itself'}.`,
        );
      }
      const former = seen.get(name);
      if (former !== undefined)
        throw new ValueError(`sweep: ${path}: both ${former} and ${origin} set the option ${name}.`);
      seen.set(name, origin);
    }
  }
  const varied = origins.slice(1).flatMap(([, names]) => names);
  const unknown = by.find(name => !varied.includes(name) || name === halving?.option);
  if (unknown !== undefined) {
    throw new ValueError(
      `sweep: ${path}: by names ${unknown}, which is not an option that the grid or the draws vary.`,
    );
  }
  if (halving && by.length > 0) {
    throw new ValueError(
      `sweep: ${path}: halving lets all settings compete, so they cannot be compared by ${by.join(', ')} only.`,
    );
  }
}
