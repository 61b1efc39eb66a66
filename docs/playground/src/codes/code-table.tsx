// The code as rows of buttons, a row a place: each shows the digit with its letter there, and how likely the encoder thinks the letter.
// SPDX-License-Identifier: Apache-2.0
import {useId} from 'preact/hooks';
import {PIXELS} from './asset.js';
import {type Code, changed, type Encoding, ownIndex, type View} from './coder.js';
import {Picture} from './picture.js';

interface CodeTableProps {
  encoding: Encoding;
  view: View;
  numCategories: number;
  /** Colours in each picture what its letter would change. */
  showsDifference: boolean;
  onCode: (code: Code) => void;
}

/** The name of a letter. */
export const letterOf = (letter: number) => String.fromCharCode(65 + letter);

/** Radio buttons: one stop of the Tab key a place, arrow keys between its letters. */
export function CodeTable({encoding, view, numCategories, showsDifference, onCode}: CodeTableProps) {
  const id = useId();
  const {code, pictures, costs} = view;
  const pictureAt = (index: number) => pictures.subarray(index * PIXELS, (index + 1) * PIXELS);
  const reference = showsDifference ? pictureAt(ownIndex(code)) : undefined;
  return (
    <div class="codes-table">
      {code.map((own, place) => (
        <div key={place} class="codes-place" role="radiogroup" aria-labelledby={`${id}-${place}`}>
          <div class="codes-name" id={`${id}-${place}`}>
            <b>
              <span class="codes-hidden">Place </span>
              {place + 1}
            </b>
            <span class="codes-kl">
              {encoding.kl[place]!.toFixed(2)}
              <span class="codes-hidden"> nats</span>
            </span>
          </div>
          {Array.from({length: numCategories}, (_, letter) => {
            const index = place * numCategories + letter;
            const percent = Math.round(100 * encoding.probs[index]!);
            return (
              <label key={letter} class="codes-cell" title={`costs ${costs[index]!.toFixed(1)} nats`}>
                <input
                  type="radio"
                  name={`${id}-${place}`}
                  value={letter}
                  checked={letter === own}
                  aria-label={`${letterOf(letter)}, ${percent} %, costs ${costs[index]!.toFixed(1)} nats`}
                  onChange={() => onCode(changed(code, place, letter))}
                />
                <span class="codes-face">
                  <Picture pixels={pictureAt(index)} reference={reference} />
                  <span class="codes-share">
                    <span class="codes-fill" style={{width: `${percent}%`}} />
                  </span>
                  <span class="codes-percent">
                    {letterOf(letter)} <span>{percent} %</span>
                  </span>
                </span>
              </label>
            );
          })}
        </div>
      ))}
    </div>
  );
}
