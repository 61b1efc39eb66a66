// The load of each expert as a bar, with the even share marked and the dead ones named.
// SPDX-License-Identifier: Apache-2.0
import {expertVariable} from './colours.js';
import {DEAD_SHARE} from './step-window.js';
import type {Report} from './trainer.js';

/** One row for each expert; a bar that is full is twice the even share, or the largest load where that is more. */
export function LoadBars({report: {load, deadSince, windowSteps}}: {report: Report}) {
  const even = 1 / load.length;
  const full = Math.min(1, Math.max(2 * even, ...load));
  return (
    <>
      <ol class="experts-load">
        {load.map((share, expert) => (
          <li key={expert} class={deadSince[expert] === null ? undefined : 'dead'} data-share={share}>
            <span class="name">
              <i style={{background: `var(${expertVariable(expert)})`}} /> Expert {expert + 1}
            </span>
            <span class="bar" style={{'--even': `${(100 * even) / full}%`}}>
              <i style={{width: `${(100 * share) / full}%`, background: `var(${expertVariable(expert)})`}} />
              {deadSince[expert] !== null && <b>dead since step {deadSince[expert]}</b>}
            </span>
            <span class="share">{(100 * share).toFixed(1)} %</span>
          </li>
        ))}
      </ol>
      <p class="experts-note">
        Share of the choices of the last {windowSteps} steps. The line is an even share, {(100 * even).toFixed(1)} %;
        below {100 * DEAD_SHARE} % an expert is called dead.
      </p>
    </>
  );
}
