// The walk from the likeliest code of the input to that of another digit, a letter a step.
// SPDX-License-Identifier: Apache-2.0
import {useEffect, useRef, useState} from 'preact/hooks';
import {Button, Slider} from '../controls/index.js';
import type {Digit} from './asset.js';
import {type Code, sameCode, walk} from './coder.js';
import {DigitChoice} from './digit-choice.js';

interface WalkCardProps {
  from: Code;
  /** The digits to walk to, and their codes. */
  digits: readonly Digit[];
  codes: readonly Code[];
  /** What is shown now, wherever it came from. */
  code: Code;
  onCode: (code: Code) => void;
}

/** Between two steps of its own, in milliseconds: slow enough to see what each letter did. */
const PAUSE = 450;

export function WalkCard({from, digits, codes, code, onCode}: WalkCardProps) {
  const [target, setTarget] = useState(0);
  /** The step that the walk makes on its own now; undefined while it stands. */
  const [playing, setPlaying] = useState<number>();
  const way = walk(from, codes[target]!);
  const last = way.length - 1;
  const at = way.findIndex(each => sameCode(each, code)); // -1 off the way
  const shown = useRef(code);
  shown.current = code;

  useEffect(() => {
    if (playing === undefined) return;
    onCode(way[playing]!);
    const timer = setTimeout(() => {
      // Whoever changed the code meanwhile has left the way, and the walk is over.
      setPlaying(playing < last && sameCode(shown.current, way[playing]!) ? playing + 1 : undefined);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [playing]);

  const play = () => {
    if (playing !== undefined) setPlaying(undefined);
    else setPlaying(at === -1 || at === last ? 0 : at + 1);
  };
  return (
    <section class="card codes-walk">
      <h3>Walk to another digit</h3>
      <DigitChoice
        label="The digit to walk to"
        digits={digits}
        value={target}
        onChange={index => {
          setPlaying(undefined);
          setTarget(index);
        }}
      />
      <Slider
        label="Letters changed"
        value={Math.max(0, at)}
        min={0}
        max={Math.max(1, last)}
        step={1}
        format={value => `${value} of ${last}`}
        disabled={last === 0}
        onInput={value => {
          setPlaying(undefined);
          onCode(way[Math.min(value, last)]!);
        }}
      />
      <Button disabled={last === 0} onClick={play}>
        {playing !== undefined ? 'Stop' : 'Walk'}
      </Button>
    </section>
  );
}
