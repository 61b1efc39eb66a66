// Everything that can be set: first what takes effect at once, then what makes a new model.
// SPDX-License-Identifier: Apache-2.0
import {ESTIMATORS, type EstimatorName} from 'tfjs-moe';
import {BackendChoice, Choice, Slider} from '../controls/index.js';
import {DATA_SETS, type DataSetName} from './data-sets.js';
import type {Pace} from './session.js';
import {type ChooserName, chooserTitle, computeOf, type ExpertSettings, isEstimator, LAB_ROUTERS} from './settings.js';

interface PanelProps {
  settings: ExpertSettings;
  pace: Pace;
  onChange: (change: Partial<ExpertSettings>) => void;
  onPace: (pace: Pace) => void;
  onBackend: (name: string) => void;
}

const DATA_OPTIONS = (Object.keys(DATA_SETS) as DataSetName[]).map(value => ({value, label: DATA_SETS[value].title}));
const CHOOSER_OPTIONS = [...(Object.keys(ESTIMATORS) as EstimatorName[]), ...LAB_ROUTERS].map((value: ChooserName) => ({
  value,
  label: `${isEstimator(value) ? 'Estimator' : 'Router'}: ${chooserTitle(value)}`,
}));
const HIDDEN_OPTIONS = ['0', '4', '8', '16'].map(value => ({value, label: value === '0' ? 'none' : value}));
const TRUNK_OPTIONS = [
  {value: '0', label: 'none'},
  {value: '8', label: '8'},
  {value: '16', label: '16'},
];

/** The panel beside the picture. */
export function SettingPanel({settings, pace, onChange, onPace, onBackend}: PanelProps) {
  const {chooser} = settings;
  return (
    <div class="experts-settings">
      <section class="panel experts-live" aria-label="Settings that take effect at once">
        <h3>At once, while it trains</h3>
        <Slider
          label="Weight of the balance loss"
          value={settings.balanceWeight}
          min={0}
          max={1}
          step={0.01}
          onInput={balanceWeight => onChange({balanceWeight})}
          hint="0: nothing keeps the experts in use."
        />
        <Slider
          label="Temperature"
          value={settings.temperature}
          min={0.1}
          max={5}
          scale="log"
          disabled={!isEstimator(chooser)}
          onInput={temperature => onChange({temperature})}
          hint="Of the estimator; routers have none."
        />
        <Slider
          label="Learning rate"
          value={settings.learningRate}
          min={0.001}
          max={0.2}
          scale="log"
          onInput={learningRate => onChange({learningRate})}
        />
        <Choice
          label="Pace"
          value={pace}
          options={[
            {value: 'full', label: 'as fast as it can'},
            {value: 'slow', label: '10 steps a second'},
          ]}
          onChange={onPace}
        />
      </section>
      <section class="panel experts-new" aria-label="Settings that start anew">
        <h3>With a new start</h3>
        <Choice
          label="Data"
          value={settings.dataSet}
          options={DATA_OPTIONS}
          onChange={dataSet => onChange({dataSet})}
        />
        <Slider
          label="Noise of the data"
          value={settings.noise}
          min={0}
          max={0.2}
          step={0.01}
          onInput={noise => onChange({noise})}
        />
        <Slider
          label="Experts"
          value={settings.numExperts}
          min={1}
          max={8}
          step={1}
          onInput={numExperts => onChange({numExperts})}
        />
        <Choice
          label="Hidden units of an expert"
          value={String(settings.hiddenUnits)}
          options={HIDDEN_OPTIONS}
          onChange={units => onChange({hiddenUnits: Number(units)})}
        />
        <Choice
          label="Shared layer before the router"
          value={String(settings.trunkUnits)}
          options={TRUNK_OPTIONS}
          onChange={units => onChange({trunkUnits: Number(units)})}
        />
        <Choice
          label="What chooses"
          value={chooser}
          options={CHOOSER_OPTIONS}
          onChange={next => onChange({chooser: next})}
        />
        <Choice
          label="Evaluated in training"
          value={computeOf(settings)}
          options={[
            {value: 'dense', label: 'all experts'},
            {value: 'sparse', label: 'the chosen ones'},
          ]}
          disabled={!isEstimator(chooser)}
          onChange={compute => onChange({compute})}
        />
        <BackendChoice onChange={onBackend} />
      </section>
    </div>
  );
}
