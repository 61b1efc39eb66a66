// Lab 2: experts share a plane among themselves while they train in the page.
// SPDX-License-Identifier: Apache-2.0
import type {ComponentChildren} from 'preact';
import {useCallback, useState} from 'preact/hooks';
import {useBackendName} from '../backend.js';
import {Canvas, type CanvasSize} from '../canvas.js';
import {Button, Choice, Toggle} from '../controls/index.js';
import {Curve} from './curves.js';
import {DATA_SETS, type DataSet} from './data-sets.js';
import {drawPlane, type PlaneView} from './draw-plane.js';
import './experts.css';
import type {Moment} from './history.js';
import {LoadBars} from './load-bars.js';
import {RunFigures, scoreTitle} from './run-figures.js';
import type {Pace, Snapshot} from './session.js';
import {SettingPanel} from './setting-panel.js';
import {DEFAULT_SETTINGS, type ExpertSettings} from './settings.js';
import {Trials} from './trials.js';
import {type SessionControls, STEPS_TO_PAUSE, useSession} from './use-session.js';

const NO_MOMENTS: Moment[] = [];
const lossOf = ({loss}: Moment) => loss;
const scoreOf = ({score}: Moment) => score;
const toPercent = (share: number) => `${Math.round(100 * share)} %`;
const toLoss = (loss: number) => loss.toFixed(2);

/** The lab; the tests read the attributes of its outermost element. */
export default function ExpertLab() {
  const [settings, setSettings] = useState<ExpertSettings>(DEFAULT_SETTINGS);
  const [pace, setPace] = useState<Pace>('full');
  const session = useSession(settings, pace);
  const backend = useBackendName();
  const {state, snapshot} = session;
  const change = (changed: Partial<ExpertSettings>) => setSettings(now => ({...now, ...changed}));
  const kind = snapshot?.kind ?? DATA_SETS[settings.dataSet].kind;
  const moments = snapshot?.history ?? NO_MOMENTS;
  return (
    <div
      class="lab experts-lab"
      data-state={state}
      data-backend={backend}
      data-step={snapshot?.report.step}
      data-score={snapshot?.score}
      data-loss={snapshot?.report.loss}
      data-balance={snapshot?.report.balanceLoss}
      data-violation={snapshot?.report.maxViolation}
      data-tensors={snapshot?.numTensors}
    >
      <div class="lab-intro">
        <h2>Experts that share a plane</h2>
        <p>
          For each point a router chooses one expert, or two, and the experts chosen say what belongs there. Nobody
          tells the router which: it learns that through its own choices, while the experts learn from the points that
          they are given. Each colour is the region of one expert, stronger where the router is surer.
        </p>
      </div>
      <div class="lab-grid">
        <div class="stage">
          <section class="card experts-main" aria-label="The plane and the load of the experts">
            <div>
              <PlanePicture snapshot={snapshot} kind={kind}>
                <RunButtons session={session} onSeed={() => change({seed: settings.seed + 1})} />
              </PlanePicture>
              <Failure failure={session.failure} />
            </div>
            <div class="experts-side">
              <h3>Load of the experts</h3>
              {snapshot && <LoadBars report={snapshot.report} />}
              <Curve title={scoreTitle(kind)} moments={moments} of={scoreOf} top={1} format={toPercent} />
              <Curve title="Loss of the last steps" moments={moments} of={lossOf} format={toLoss} />
            </div>
          </section>
          <section class="card experts-figures" aria-label="Figures">
            <RunFigures snapshot={snapshot} kind={kind} />
          </section>
          <Trials onTry={change} />
        </div>
        <SettingPanel
          settings={settings}
          pace={pace}
          onChange={change}
          onPace={setPace}
          onBackend={session.changeBackend}
        />
      </div>
    </div>
  );
}

interface PlanePictureProps {
  snapshot: Snapshot | undefined;
  kind: DataSet['kind'];
  /** What stands right below the picture. */
  children: ComponentChildren;
}

/** The plane, and what of it is shown. */
function PlanePicture({snapshot, kind, children}: PlanePictureProps) {
  const [view, setView] = useState<PlaneView>({shading: 'experts', hasBoundary: true, hasPoints: true});
  const draw = useCallback(
    (context: CanvasRenderingContext2D, size: CanvasSize) => {
      if (snapshot) drawPlane(context, size, snapshot, view);
    },
    [snapshot, view],
  );
  const regions = new Set(snapshot?.plane.experts).size;
  const change = (changed: Partial<PlaneView>) => setView(now => ({...now, ...changed}));
  return (
    <>
      <Canvas
        class="experts-plane"
        label={`The plane with its points; ${regions} of the experts have a region`}
        draw={draw}
      />
      {children}
      <div class="experts-view">
        <Choice
          label="Colour the plane by"
          value={view.shading}
          options={[
            {value: 'experts', label: 'expert'},
            {value: 'prediction', label: 'prediction'},
          ]}
          onChange={shading => change({shading})}
        />
        <Toggle
          label={kind === 'classes' ? 'Decision boundary' : 'Lines of equal value'}
          checked={view.hasBoundary}
          onChange={hasBoundary => change({hasBoundary})}
        />
        <Toggle label="Points" checked={view.hasPoints} onChange={hasPoints => change({hasPoints})} />
      </div>
    </>
  );
}

function RunButtons({session, onSeed}: {session: SessionControls; onSeed: () => void}) {
  const {state, run, pause, stepOnce, restart} = session;
  const isRunning = state === 'running';
  const cannot = state === 'starting' || state === 'failed';
  return (
    <div class="row experts-buttons">
      <Button kind="primary" disabled={cannot} onClick={isRunning ? pause : run}>
        {isRunning ? 'Pause' : 'Run'}
      </Button>
      <Button disabled={cannot || isRunning} onClick={stepOnce}>
        Step
      </Button>
      <Button disabled={state === 'starting'} onClick={restart}>
        Restart
      </Button>
      <Button disabled={cannot} onClick={onSeed}>
        Other seed
      </Button>
    </div>
  );
}

function Failure({failure}: {failure: unknown}) {
  if (failure === undefined) return <p class="experts-note">Every {STEPS_TO_PAUSE} steps it pauses by itself.</p>;
  return (
    <p class="experts-failure" role="alert">
      It has stopped: {failure instanceof Error ? failure.message : String(failure)}
    </p>
  );
}
