// A session for as long as the lab is on the page, and what the page shows of it.
// SPDX-License-Identifier: Apache-2.0
import {useEffect, useRef, useState} from 'preact/hooks';
import {startBackend, useBackendName} from '../backend.js';
import {type Pace, Session, type Snapshot} from './session.js';
import type {ExpertSettings, ModelSettings} from './settings.js';

/** 'paused' is also what it is before the first step. */
export type SessionState = 'starting' | 'running' | 'paused' | 'failed';

/** A page that is left alone must not compute for ever: after so many steps it pauses. */
export const STEPS_TO_PAUSE = 5000;
/** A slider that is drawn along would make a model for each value that it passes, ms. */
const SETTLING_TIME = 120;

/** What a lab can do with its session. */
export interface SessionControls {
  state: SessionState;
  snapshot: Snapshot | undefined;
  failure: unknown;
  run: () => void;
  pause: () => void;
  stepOnce: () => void;
  restart: () => void;
  changeBackend: (name: string) => void;
}

/** Makes a session, which starts anew whenever a setting of the model changes, and follows the others as it runs. */
export function useSession(settings: ExpertSettings, pace: Pace): SessionControls {
  const [state, setState] = useState<SessionState>('starting');
  const [snapshot, setSnapshot] = useState<Snapshot>();
  const [failure, setFailure] = useState<unknown>();
  const running = useBackendName();
  const latest = useRef(settings);
  latest.current = settings;
  const pauseAt = useRef(STEPS_TO_PAUSE);
  const session = useRef<Session>(null);

  const run = () => {
    session.current?.run();
    setState('running');
  };
  const pause = () => {
    void session.current?.pause();
    setState('paused');
  };
  /** A run goes on with the new model; what had failed is tried again. */
  const restart = (before?: () => Promise<unknown>) => {
    pauseAt.current = STEPS_TO_PAUSE;
    setFailure(undefined);
    setState(now => (now === 'failed' ? 'paused' : now));
    return session.current!.restart(latest.current, before);
  };

  useEffect(() => {
    const made = new Session({
      onSnapshot(next) {
        setSnapshot(next);
        if (next.report.step < pauseAt.current) return;
        pauseAt.current = next.report.step + STEPS_TO_PAUSE;
        pause();
      },
      onFailure(error) {
        setFailure(error);
        setState('failed');
      },
    });
    session.current = made;
    const wantsMotion = !matchMedia('(prefers-reduced-motion: reduce)').matches;
    void restart(() => startBackend(running)).then(() => {
      setState(now => (now === 'starting' ? 'paused' : now));
      if (wantsMotion && made.isReady) run();
    });
    return () => {
      session.current = null;
      void made.dispose();
    };
  }, []);

  const modelKey = JSON.stringify(modelSettings(settings));
  const madeKey = useRef(modelKey);
  useEffect(() => {
    if (madeKey.current === modelKey) return;
    const timer = setTimeout(() => {
      madeKey.current = modelKey;
      void restart();
    }, SETTLING_TIME);
    return () => clearTimeout(timer);
  }, [modelKey]);

  const {temperature, balanceWeight, learningRate} = settings;
  useEffect(
    () => session.current?.adjust({temperature, balanceWeight, learningRate}),
    [temperature, balanceWeight, learningRate],
  );
  useEffect(() => {
    if (session.current) session.current.pace = pace;
  }, [pace]);

  return {
    state,
    snapshot,
    failure,
    run,
    pause,
    stepOnce: () => void session.current?.stepOnce(),
    // Where the backend that was asked for did not start, the one before must be made TensorFlow.js's own again.
    restart: () => void restart(state === 'failed' ? () => startBackend(running) : undefined),
    changeBackend: name => void restart(() => startBackend(name)),
  };
}

/** The settings that need a new model. */
function modelSettings({temperature: _, balanceWeight: _w, learningRate: _r, ...model}: ExpertSettings): ModelSettings {
  return model;
}
