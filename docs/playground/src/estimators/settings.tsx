// What the reader sets: the loss, the temperature, the draws.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {Choice, Figure, Slider} from '../controls/index.js';
import type {Experiment, Problem} from './experiment.js';
import {LOSSES, type LossEntry, type LossName} from './losses.js';
import type {Method} from './methods.js';
import type {Vector} from './moments.js';

interface SettingsProps {
  problem: Problem;
  change: (changes: Partial<Problem>) => void;
  /** How many draws each method makes. */
  target: number;
  setTarget: (target: number) => void;
  chosen: readonly Method[];
  experiment: Experiment | undefined;
}

const LOSS_OPTIONS = (Object.keys(LOSSES) as LossName[]).map(value => ({value, label: LOSSES[value].title}));

export function Settings({problem, change, target, setTarget, chosen, experiment}: SettingsProps) {
  const {loss, values, centre, temperature, numSamples, seed} = problem;
  const {formula, hasCentre}: LossEntry = LOSSES[loss];
  const setValue = (at: number) => (value: number) =>
    change({values: values.map((old, i) => (i === at ? value : old)) as unknown as Vector});
  return (
    <aside class="panel" aria-label="Settings">
      <Choice label="Loss" value={loss} options={LOSS_OPTIONS} as="select" onChange={value => change({loss: value})} />
      <p class="formula">f(x) = {formula}</p>
      <div class="values">
        {['A', 'B', 'C'].map((name, i) => (
          <Slider
            key={name}
            label={`v of ${name}`}
            value={values[i]!}
            min={-2}
            max={2}
            step={0.1}
            format={value => value.toFixed(1).replace('-', '−')}
            onInput={setValue(i)}
          />
        ))}
      </div>
      {hasCentre && (
        <Slider
          label="Centre c"
          value={centre}
          min={0}
          max={0.5}
          step={0.01}
          format={value => value.toFixed(2)}
          hint="0.45 in the polynomial task of the ReinMax paper"
          onInput={value => change({centre: value})}
        />
      )}
      <Slider
        label="Temperature τ"
        value={temperature}
        min={0.1}
        max={10}
        scale="log"
        format={value => value.toFixed(2)}
        onInput={value => change({temperature: value})}
      />
      {chosen.some(({name}) => name === 'gumbelRao') && (
        <Slider
          label="Samples of Gumbel-Rao"
          value={numSamples}
          min={1}
          max={100}
          step={1}
          onInput={value => change({numSamples: value})}
        />
      )}
      <Slider
        label="Draws"
        value={Math.log2(target)}
        min={7}
        max={17}
        step={1}
        format={value => (2 ** value).toLocaleString('en')}
        onInput={value => setTarget(2 ** value)}
      />
      <Slider label="Seed" value={seed} min={1} max={50} step={1} onInput={value => change({seed: value})} />
      {experiment && (
        <dl class="figures state">
          <Figure label="Probabilities" value={written(experiment.probs, 2)} />
          <Figure label="Logits" value={written(experiment.problem.logits, 4)} />
          <Figure label="Expected loss" value={experiment.expectedLoss} digits={4} />
          <Figure label="Draws so far" value={drawsOf(experiment, chosen)} />
          <Figure label="Tensors alive" value={tf.memory().numTensors} digits={0} />
        </dl>
      )}
    </aside>
  );
}

/** Of the method that has the fewest. */
function drawsOf(experiment: Experiment, chosen: readonly Method[]): string {
  const counts = chosen.map(method => experiment.seriesOf(method)?.moments.count ?? 0);
  return (counts.length > 0 ? Math.min(...counts) : 0).toLocaleString('en');
}

function written(vector: Vector, digits: number): string {
  return vector.map(value => value.toFixed(digits).replace('-', '−')).join('  ');
}
