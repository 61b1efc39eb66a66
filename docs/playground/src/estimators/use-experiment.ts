// Keeps an experiment for the problem that is set, and lets it draw while the page has time.
// SPDX-License-Identifier: Apache-2.0
import {useCallback, useEffect, useLayoutEffect, useRef, useState} from 'preact/hooks';
import {startBackend} from '../backend.js';
import {Experiment, type Problem} from './experiment.js';
import type {Method} from './methods.js';

/** Milliseconds of a frame for drawing; the rest is the browser's and the pictures'. */
const BUDGET = 8;

/** The experiment and what can be done with it. */
export interface Running {
  /** Undefined until the backend has started. */
  experiment: Experiment | undefined;
  /** Changes when the experiment has drawn. */
  version: number;
  /** Whether every method has the draws that it should. */
  isDone: boolean;
  /** One draw of each method. */
  step(): void;
  /** Begins anew with the same problem. */
  restart(): void;
}

/** @param problem Another object is another problem: keep it with useMemo. */
export function useExperiment(
  problem: Problem,
  methods: readonly Method[],
  target: number,
  isRunning: boolean,
): Running {
  const [isReady, setReady] = useState(false);
  const [failure, setFailure] = useState<unknown>();
  const [round, setRound] = useState(0);
  const [experiment, setExperiment] = useState<Experiment>();
  const [version, setVersion] = useState(0);
  const [isDone, setDone] = useState(false);
  const latest = useRef<Experiment | undefined>(undefined);

  useEffect(() => {
    // Small tensors in plain JavaScript: no other backend gives back three numbers as fast.
    startBackend('cpu').then(() => setReady(true), setFailure);
    return () => latest.current?.dispose();
  }, []);
  if (failure) throw failure;

  // Before the paint, so that the point stays under the finger that moves it.
  // Another round is another experiment on the same problem.
  useLayoutEffect(() => {
    if (!isReady) return;
    latest.current?.dispose();
    latest.current = new Experiment(problem);
    setExperiment(latest.current);
    setDone(false);
  }, [isReady, problem, round]);

  useEffect(() => {
    if (!experiment || !isRunning) return;
    let frame = 0;
    const tick = () => {
      if (experiment !== latest.current) return; // disposed of; the next one has its own frames
      const isLacking = experiment.advance(methods, target, BUDGET);
      setVersion(before => before + 1);
      setDone(!isLacking);
      if (isLacking) frame = requestAnimationFrame(tick);
    };
    tick();
    return () => cancelAnimationFrame(frame);
  }, [experiment, methods, target, isRunning]);

  const step = useCallback(() => {
    latest.current?.step(methods);
    setVersion(before => before + 1);
  }, [methods]);
  const restart = useCallback(() => setRound(before => before + 1), []);
  return {experiment, version, isDone, step, restart};
}
