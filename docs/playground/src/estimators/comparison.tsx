// The table of the methods: which take part, and how good their gradients are.
// SPDX-License-Identifier: Apache-2.0
import type {Experiment} from './experiment.js';
import {METHODS, type Method} from './methods.js';
import {length, type Quality, qualityOf, type Vector} from './moments.js';

interface ComparisonProps {
  experiment: Experiment;
  chosen: readonly Method[];
  onChoose: (method: Method, isChosen: boolean) => void;
}

export function Comparison({experiment, chosen, onChoose}: ComparisonProps) {
  const rows = METHODS.map(method => {
    const series = chosen.includes(method) ? experiment.seriesOf(method) : undefined;
    return {method, quality: series && qualityOf(series.moments, experiment.exact)};
  });
  const largest = (value: (quality: Quality) => number) =>
    Math.max(...rows.map(({quality}) => (quality ? value(quality) : 0)), Number.MIN_VALUE);
  const most = {bias: largest(({bias}) => bias), deviation: Math.sqrt(largest(({variance}) => variance))};
  return (
    <table class="comparison">
      <thead>
        <tr>
          <th scope="col">Mean gradient</th>
          <th scope="col">Bias</th>
          <th scope="col">Variance</th>
          <th scope="col">Cosine</th>
        </tr>
      </thead>
      <tbody>
        <tr data-method="exact">
          <th scope="row">
            <span class="method" style={{'--series': 'var(--ink)'}}>
              <span class="swatch" />
              <span class="name">Exact, from all three</span>
            </span>
            <Gradient gradient={experiment.exact} />
          </th>
          <td data-caption="Bias">0</td>
          <td data-caption="Variance">0</td>
          <td data-caption="Cosine">1</td>
        </tr>
        {rows.map(({method, quality}) => (
          <tr key={method.name} data-method={method.name} style={{'--series': `var(${method.series})`}}>
            <th scope="row">
              <label class="method">
                <input
                  type="checkbox"
                  checked={chosen.includes(method)}
                  onChange={event => onChoose(method, event.currentTarget.checked)}
                />
                <span class="name">{method.title}</span>
              </label>
              {quality && <Gradient gradient={quality.mean} />}
            </th>
            {quality ? <Cells quality={quality} most={most} exact={experiment.exact} /> : <Blanks />}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cells({quality, most, exact}: {quality: Quality; most: {bias: number; deviation: number}; exact: Vector}) {
  const {bias, error, variance, cosine} = quality;
  const isNoise = bias < 2 * error || bias < 1e-6 * Math.max(length(exact), 1e-3);
  return (
    <>
      <td data-caption="Bias">
        <span data-figure="bias">{number(bias)}</span>
        <Bar share={bias / most.bias} isFaint={isNoise} />
        <small>
          ± <span data-figure="error">{number(error)}</span>
        </small>
      </td>
      <td data-caption="Variance">
        <span data-figure="variance">{number(variance)}</span>
        <Bar share={Math.sqrt(variance) / most.deviation} />
      </td>
      <td data-caption="Cosine">
        <span data-figure="cosine">{Number.isNaN(cosine) ? '–' : minus(cosine.toFixed(3))}</span>
        <Bar share={Math.max(cosine, 0) || 0} />
      </td>
    </>
  );
}

function Blanks() {
  return (
    <>
      <td />
      <td />
      <td />
    </>
  );
}

function Bar({share, isFaint = false}: {share: number; isFaint?: boolean}) {
  return (
    <span class={isFaint ? 'bar faint' : 'bar'} aria-hidden="true">
      <span style={{width: `${(100 * share).toFixed(1)}%`}} />
    </span>
  );
}

function Gradient({gradient}: {gradient: Vector}) {
  return (
    <span class="gradient" data-figure="gradient">
      {gradient.map(value => minus(value.toFixed(4))).join('  ')}
    </span>
  );
}

/** Four digits after the point; of small numbers two that count. */
function number(value: number): string {
  if (value === 0) return '0';
  return value < 5e-4 ? minus(value.toExponential(1)) : value.toFixed(4);
}

function minus(text: string): string {
  return text.replace('-', '−');
}
