import * as all from 'tfjs-moe';
import * as estimators from 'tfjs-moe/estimators';
import * as layers from 'tfjs-moe/layers';
import * as router from 'tfjs-moe/router';
import * as training from 'tfjs-moe/training';
import {expect, test} from 'vitest';

test('tfjs-moe exports what its parts export, and the error class', () => {
  const parts = {...estimators, ...router, ...layers, ...training};
  expect(Object.keys(all).sort()).toEqual([...Object.keys(parts), 'ValueError'].sort());
  for (const [name, value] of Object.entries(parts)) expect(all[name as keyof typeof all]).toBe(value);
});
