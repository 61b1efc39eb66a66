// The estimator lab: a loss on three categories, a point to move, and the gradients that the estimators of the library find there.
// SPDX-License-Identifier: Apache-2.0
import {useCallback, useMemo, useState} from 'preact/hooks';
import {Button, Choice} from '../controls/index.js';
import {Comparison} from './comparison.js';
import type {Problem} from './experiment.js';
import {GradientPicture, type Spread} from './gradient-picture.js';
import './lab.css';
import {mapLoss} from './loss-picture.js';
import {METHODS, type Method} from './methods.js';
import type {Vector} from './moments.js';
import {Reading} from './reading.js';
import {Settings} from './settings.js';
import {SimplexPicture} from './simplex-picture.js';
import {useExperiment} from './use-experiment.js';

const FIRST: Problem = {
  loss: 'quadratic',
  values: [1.5, 1, -1.5],
  centre: 0.25,
  logits: [0.2, 0.5, 0.3].map(Math.log) as unknown as Vector,
  temperature: 1,
  numSamples: 10,
  seed: 1,
};
const FIRST_METHODS = ['straightThrough', 'straightThroughGumbelSoftmax', 'reinmax', 'leaveOneOut'];
const SPREADS: {value: Spread; label: string}[] = [
  {value: 'means', label: 'Error'},
  {value: 'ellipses', label: 'Deviation'},
  {value: 'draws', label: 'Draws'},
];

export default function EstimatorLab() {
  const [problem, setProblem] = useState(FIRST);
  const [chosen, setChosen] = useState(() => METHODS.filter(({name}) => FIRST_METHODS.includes(name)));
  const [target, setTarget] = useState(2 ** 13);
  const [isRunning, setRunning] = useState(true);
  const [spread, setSpread] = useState<Spread>('ellipses');
  const {experiment, version, isDone, step, restart} = useExperiment(problem, chosen, target, isRunning);
  const change = useCallback((changes: Partial<Problem>) => setProblem(before => ({...before, ...changes})), []);
  const move = useCallback((probs: Vector) => change({logits: probs.map(Math.log) as unknown as Vector}), [change]);
  const choose = useCallback((method: Method, isChosen: boolean) => {
    setChosen(before => METHODS.filter(other => (other === method ? isChosen : before.includes(other))));
  }, []);
  // The map depends on the loss alone: moving the point must not compute it anew.
  const {loss, values, centre} = experiment?.problem ?? {};
  // Any experiment with this loss will do.
  const map = useMemo(() => experiment && mapLoss(experiment), [loss, values, centre]);

  return (
    <div class="lab estimator-lab">
      <header class="lab-intro">
        <h2>A gradient guessed from draws</h2>
        <p>
          A model draws A, B or C and pays the loss of that corner. Its gradient has to be guessed from the draw. Move
          the point, change the loss, and see which guesses are right on average, and how far they scatter.
        </p>
      </header>
      <div class="lab-grid">
        <div class="pictures">
          <section class="card">
            <h3>Where a step down leads</h3>
            {experiment && map ? (
              <SimplexPicture {...{experiment, map, version}} methods={chosen} onMove={move} />
            ) : (
              <div class="placeholder" />
            )}
            <p class="hint">Drag the point, tap the triangle, or use the arrow keys.</p>
          </section>
          <section class="card">
            <h3>Minus the gradient of the logits</h3>
            {experiment ? (
              <GradientPicture {...{experiment, spread, version}} methods={chosen} />
            ) : (
              <div class="placeholder" />
            )}
            <Choice label="Beside the means" value={spread} options={SPREADS} onChange={setSpread} />
          </section>
        </div>
        <Settings {...{problem, change, target, setTarget, chosen, experiment}} />
        <div class="stage">
          <section class="card">
            <div class="row">
              <Button kind="primary" onClick={isDone ? restart : () => setRunning(!isRunning)}>
                {isDone ? 'Draw again' : isRunning ? 'Pause' : 'Run'}
              </Button>
              <Button
                onClick={() => {
                  setRunning(false);
                  step();
                }}
              >
                Draw one
              </Button>
              <Button
                onClick={() => {
                  setRunning(false);
                  restart();
                }}
              >
                Clear
              </Button>
            </div>
            {experiment && <Comparison experiment={experiment} chosen={chosen} onChoose={choose} />}
          </section>
          <Reading loss={problem.loss} temperature={problem.temperature} chosen={chosen} />
        </div>
      </div>
    </div>
  );
}
