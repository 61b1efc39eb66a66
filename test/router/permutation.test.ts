import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {expect, test} from 'vitest';
import {planRows} from '../../src/router/permutation.js';
import {ON_HOST, WHY_ON_HOST} from '../support/device.js';
import {eachBackend} from '../support/each-backend.js';
import {numCases} from '../support/long-tests.js';
import {anyCase, assigned, assignmentOf, placed} from './dispatch-cases.js';

const int2d = (rows: number[][]) => tf.tensor2d(rows, undefined, 'int32');

eachBackend('planRows', () => {
  test.skipIf(!ON_HOST)(
    `sorts the choices that have a place by expert and place, and inverts the order${WHY_ON_HOST}`,
    () => {
      fc.assert(
        fc.property(anyCase, c => {
          const assignment = assignmentOf(c);
          const plan = planRows(assignment);
          tf.dispose([assignment.experts, assignment.positions]);
          const sorted = placed(c).sort((a, b) => a.place - b.place);
          expect([plan.numTokens, plan.numChoices, plan.numRows]).toEqual([c.T, c.K, sorted.length]);
          expect([...plan.choiceOfRow]).toEqual(sorted.map(({choice}) => choice));
          expect([...plan.tokenOfRow]).toEqual(sorted.map(({token}) => token));
          expect([...plan.rowOfChoice]).toEqual(c.experts.map((_, i) => sorted.findIndex(({choice}) => choice === i)));
          expect(plan.groupSizes).toEqual(Array.from({length: c.E}, (_, e) => c.experts.filter(x => x === e).length));
        }),
        {seed: 20260402, numRuns: numCases(200)},
      );
    },
  );

  test.skipIf(!ON_HOST)(`gives places by the assignment, not by the order of the tokens${WHY_ON_HOST}`, () => {
    // Token 2 was served first: it has place 0 of expert 1, before token 0.
    const c = assigned({T: 3, K: 1, E: 2, C: 2, D: 1}, [1, 0, 1], [2, 1, 0]);
    expect([...planRows(assignmentOf(c)).tokenOfRow]).toEqual([1, 2, 0]);
  });

  test.skipIf(!ON_HOST)(`refuses what is no assignment, in words${WHY_ON_HOST}`, () => {
    const refuse = (experts: number[][], positions: number[][], words: string) =>
      expect(() =>
        planRows({numExperts: 2, capacity: 4, experts: int2d(experts), positions: int2d(positions)}),
      ).toThrow(words);
    refuse([[0], [2]], [[0], [0]], 'planRows: experts must be -1 or from 0 to 1, but got 2.');
    refuse([[0], [-2]], [[0], [0]], 'planRows: experts must be -1 or from 0 to 1, but got -2.');
    refuse([[0], [0]], [[0], [2]], 'planRows: the positions of expert 0 must be 0 to 1, once each, but got 2.');
    refuse([[1], [1]], [[0], [-1]], 'planRows: the positions of expert 1 must be 0 to 1, once each, but got -1.');
    refuse([[1], [1]], [[0], [0]], 'planRows: the positions of expert 1 must be 0 to 1, once each, but got 0 twice.');
    refuse([[0], [1]], [[0, 0]], 'planRows: positions must have shape of experts = [2, 1], but got [1, 2].');
  });
});

test('planRows refuses a backend that keeps its tensors on a device', () => {
  tf.registerBackend('device', tf.findBackendFactory('cpu'), 0);
  const former = tf.getBackend();
  const assignment = assignmentOf(assigned({T: 1, K: 1, E: 1, C: 1, D: 1}, [0]));
  tf.setBackend('device');
  try {
    expect(() => planRows(assignment)).toThrow(
      'planRows: the backend must keep its tensors on the host (cpu, wasm, tensorflow), but is "device".',
    );
  } finally {
    tf.setBackend(former);
    tf.removeBackend('device');
  }
});
