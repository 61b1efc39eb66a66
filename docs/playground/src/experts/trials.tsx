// What to try: each trial sets the lab up, and says what to look at.
// SPDX-License-Identifier: Apache-2.0
import {Button} from '../controls/index.js';
import {DEFAULT_SETTINGS, type ExpertSettings} from './settings.js';

interface Trial {
  title: string;
  text: string;
  settings: Partial<ExpertSettings>;
}

const TRIALS: readonly Trial[] = [
  {
    title: 'Let experts die',
    text:
      'Eight experts, a Switch router, and no weight on the balance: who is chosen learns, and is chosen more. The rest get nothing and do not ' +
      'come back. Now raise the weight of the balance loss while it trains.',
    settings: {numExperts: 8, chooser: 'switch', balanceWeight: 0, learningRate: 0.05},
  },
  {
    title: 'Too much balance',
    text:
      'With a weight of 1 each expert has its even share from the first steps on, and it takes longer until the points are told apart: compare ' +
      'with 0.1.',
    settings: {balanceWeight: 1, learningRate: 0.05},
  },
  {
    title: 'Three planes, three experts',
    text:
      'The values lie on three planes, and each expert is linear: one expert for each plane would be exact. Change the estimator, ReinMax or ' +
      'straight-through, and see which finds them with this seed and with others.',
    settings: {dataSet: 'planes', numExperts: 3, balanceWeight: 0.01, learningRate: 0.05},
  },
  {
    title: 'Bent regions',
    text: 'A shared layer before the router lets the regions bend; without it they are polygons. Eight small experts then follow two spirals.',
    settings: {dataSet: 'spirals', noise: 0.02, numExperts: 8, hiddenUnits: 8, trunkUnits: 16, learningRate: 0.05},
  },
];

const GUIDES = [
  ['Load_balancing', 'Load balancing'],
  ['Choosing_an_estimator', 'Choosing an estimator'],
  ['Sparse_mixtures', 'Sparse mixtures'],
] as const;

/** The trials, and where to read on. */
export function Trials({onTry}: {onTry: (settings: Partial<ExpertSettings>) => void}) {
  return (
    <section class="card experts-try">
      <h3>What to try</h3>
      <ul class="experts-trials">
        {TRIALS.map(({title, text, settings}) => (
          <li key={title}>
            <Button onClick={() => onTry({...DEFAULT_SETTINGS, ...settings})}>{title}</Button>
            <p>{text}</p>
          </li>
        ))}
      </ul>
      <p class="experts-note">
        Read on:{' '}
        {GUIDES.map(([page, title], i) => (
          <>
            {i > 0 && ', '}
            <a href={`../documents/${page}.html`}>{title}</a>
          </>
        ))}
        .
      </p>
    </section>
  );
}
