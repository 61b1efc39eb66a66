// The lab of codes: a discrete VAE that was trained beforehand, whose letters one changes to see the digit change.
// SPDX-License-Identifier: Apache-2.0
import {useState} from 'preact/hooks';
import {Button, Figure, Toggle} from '../controls/index.js';
import {PIXELS} from './asset.js';
import {CodeTable, letterOf} from './code-table.js';
import './codes.css';
import {ownIndex, sameCode} from './coder.js';
import {DigitChoice} from './digit-choice.js';
import {DrawPad} from './draw-pad.js';
import {Picture} from './picture.js';
import {FIRST, type Lab, useLab} from './use-lab.js';
import {WalkCard} from './walk-card.js';

export default function Codes() {
  const lab = useLab();
  return (
    <div class="lab codes">
      <div class="lab-intro">
        <h2>A digit in ten letters</h2>
        <p>
          A variational autoencoder has learned to write a handwritten digit as ten letters out of A, B, C and D, 20
          bits in all, and to draw the digit again from nothing but the letters. Change a letter and see what it stands
          for.
        </p>
      </div>
      {lab ? <Bench lab={lab} /> : <p class="notice">Loading the model …</p>}
    </div>
  );
}

function Bench({lab}: {lab: Lab}) {
  const {about, digits, encodings, coder, shown, setInput, setCode} = lab;
  const {pixels, encoding, view} = shown;
  const [showsDifference, setShowsDifference] = useState(true);
  const [draws, setDraws] = useState(0);
  const chosen = digits.findIndex(digit => digit.pixels === pixels);
  const own = ownIndex(view.code);
  const likeliest = sameCode(encoding.code, view.code);
  const next = () => {
    setDraws(draws + 1);
    return draws; // the seed: a page that is loaded anew draws the same codes in the same order
  };
  const reset = () => {
    setDraws(0);
    setInput(digits[FIRST]!.pixels);
  };
  return (
    <div class="lab-grid codes-grid" data-code={view.code.map(letterOf).join('')} data-tensors={shown.numTensors}>
      <div class="codes-side">
        <section class="card codes-pictures" aria-label="The digit and what its code says">
          <figure>
            <Picture pixels={pixels} label={chosen === -1 ? 'Your drawing' : `The input, a ${digits[chosen]!.label}`} />
            <figcaption>input</figcaption>
          </figure>
          <figure>
            <Picture
              pixels={view.pictures.subarray(own * PIXELS, (own + 1) * PIXELS)}
              label={`The digit of the code ${view.code.map(letterOf).join(' ')}`}
            />
            <figcaption>decoded</figcaption>
          </figure>
          <p class="codes-word" aria-live="polite">
            <span class="codes-hidden">The code: </span>
            {view.code.map((letter, place) => (
              <span key={place} class={letter === encoding.code[place] ? undefined : 'codes-other'}>
                {letterOf(letter)}
              </span>
            ))}
          </p>
          <dl class="figures">
            <Figure label="Cost" value={view.costs[own]} digits={1} unit="nats" />
            <Figure label="Likeliest" value={encoding.cost} digits={1} unit="nats" />
            <Figure label="KL" value={encoding.kl.reduce((sum, kl) => sum + kl)} digits={1} unit="nats" />
          </dl>
        </section>
        <section class="card codes-actions" aria-label="Codes to try">
          <Button kind="primary" disabled={likeliest} onClick={() => setCode(encoding.code)}>
            Likeliest code
          </Button>
          <Button onClick={() => void coder.draw(encoding, next()).then(setCode)}>Sample a code</Button>
          <Button onClick={() => setCode(coder.drawPrior(next()))}>Sample the prior</Button>
          <Button onClick={reset}>Reset</Button>
        </section>
        <WalkCard
          from={encoding.code}
          digits={digits.filter((_, i) => i % 3 === 0)}
          codes={encodings.filter((_, i) => i % 3 === 0).map(({code}) => code)}
          code={view.code}
          onCode={setCode}
        />
      </div>
      <div class="stage">
        <section class="card codes-source">
          <h3>A held-out digit, or your own, drawn in the box</h3>
          <div class="codes-sources">
            <DigitChoice
              label="A digit that the model was not trained on"
              digits={digits}
              value={chosen === -1 ? undefined : chosen}
              onChange={index => setInput(digits[index]!.pixels)}
            />
            <DrawPad onDraw={setInput} />
          </div>
        </section>
        <section class="card codes-letters">
          <div class="codes-head">
            <h3>The letters</h3>
            <Toggle label="colour what a letter changes" checked={showsDifference} onChange={setShowsDifference} />
          </div>
          <p class="codes-hint">
            Each row is a place of the code, each picture the digit with that letter there and all others left.{' '}
            {showsDifference && (
              <>
                <b class="codes-more">New ink</b> and <b class="codes-less">ink that is gone</b> are coloured.{' '}
              </>
            )}
            Bars are the encoder's probabilities; the number at a place is what it tells, KL in nats, at most ln 4 =
            1.39.
          </p>
          <CodeTable
            encoding={encoding}
            view={view}
            numCategories={coder.numCategories}
            showsDifference={showsDifference}
            onCode={setCode}
          />
        </section>
      </div>
      <About about={about} />
    </div>
  );
}

function About({about}: {about: Lab['about']}) {
  const {testNegativeElbo, testReconstruction, testKl, testCount} = about.figures;
  return (
    <section class="codes-about">
      <p>
        The model is a <code>discreteVAE</code> of tfjs-moe, trained by ReinMax on MNIST's 60,000 digits and loaded here
        by <code>tf.loadLayersModel</code>, its weights rounded to 8 bits. On the {testCount.toLocaleString('en')}{' '}
        held-out digits its −ELBO is <b>{testNegativeElbo.toFixed(2)} nats</b> a digit: {testReconstruction.toFixed(2)}{' '}
        to tell the pixels and {testKl.toFixed(2)} to tell the code, with one draw each. A code's cost is −ln p(input |
        code), of grey pixels, whose least is not 0. Made by <code>{about.command}</code>.
      </p>
      <p>
        “Sample a code” draws each letter with its probability, “Sample the prior” with a quarter for each letter. The
        digits are MNIST's, of LeCun, Cortes and Burges.
      </p>
    </section>
  );
}
