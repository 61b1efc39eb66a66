// SPDX-License-Identifier: Apache-2.0
import {Command} from 'commander';
import {expect, test} from 'vitest';
import {addCommonOptions, type CommonOptions, withOutput} from '../../examples/shared/options.js';

const outputOf = (...args: string[]) => {
  const command = addCommonOptions(new Command('search-cell'), {output: 'runs/search-cell/<name>'});
  command.name('tfjs-moe train search-cell'); // as the command line does
  command.parse(args, {from: 'user'});
  return withOutput(command.opts<CommonOptions>(), command, () => 'small-seed0').output;
};

test('a run without --output goes into a folder of its program and its own name', () => {
  expect(outputOf()).toBe('runs/search-cell/small-seed0');
});

test('a folder that the user names is taken as it is', () => {
  expect(outputOf('--output', 'here')).toBe('here');
});
