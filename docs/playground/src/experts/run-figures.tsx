// The numbers of a run.
// SPDX-License-Identifier: Apache-2.0
import {Figure} from '../controls/index.js';
import type {DataSet} from './data-sets.js';
import type {Snapshot} from './session.js';

/** What the last steps came to; a dash where there is nothing yet. */
export function RunFigures({snapshot, kind}: {snapshot: Snapshot | undefined; kind: DataSet['kind']}) {
  const {report, score, speed} = snapshot ?? {};
  const trained = report && report.step > 0 ? report : undefined;
  const numDead = trained?.deadSince.filter(since => since !== null).length;
  return (
    <dl class="figures">
      <Figure label="Step" value={report?.step} digits={0} />
      <Figure label={scoreTitle(kind)} value={score === undefined ? undefined : 100 * score} unit="%" digits={1} />
      <Figure label="Loss" value={trained?.loss} unit={kind === 'classes' ? 'nats' : ''} digits={3} />
      <Figure label="Balance loss (1 is balanced)" value={trained?.balanceLoss} />
      <Figure label="Largest load over even, less 1" value={trained?.maxViolation} />
      <Figure label="Dead experts" value={numDead} digits={0} />
      <Figure label="Entropy of the router" value={trained?.entropy} unit="nats" />
      <Figure label="Probability of the choice" value={trained?.confidence} />
      <Figure label="Speed" value={speed || undefined} unit="steps/s" digits={speed && speed < 10 ? 1 : 0} />
    </dl>
  );
}

/** What `Snapshot.score` is. */
export function scoreTitle(kind: DataSet['kind']): string {
  return kind === 'classes' ? 'Right on new points' : 'Explained variance';
}
