// The state of the lab: what is asked for at once, what is shown as soon as it is computed.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {useEffect, useRef, useState} from 'preact/hooks';
import {startBackend} from '../backend.js';
import {type Asset, loadAsset} from './asset.js';
import {type Code, Coder, type Encoding, type View} from './coder.js';

/** What is shown; all of it belongs together. */
export interface Shown {
  /** The input, [PIXELS]. */
  pixels: Float32Array;
  encoding: Encoding;
  view: View;
  /** In TensorFlow.js's memory, for whoever looks for leaks. */
  numTensors: number;
}

/** What the page can do. */
export interface Lab {
  about: Asset['about'];
  digits: Asset['digits'];
  /** What the encoder says of each of `digits`. */
  encodings: Encoding[];
  coder: Coder;
  shown: Shown;
  /** Shows another input, with its likeliest code. */
  setInput(pixels: Float32Array): void;
  /** Shows another code for the same input. */
  setCode(code: Code): void;
}

/** A digit at the start, so that nothing has to be chosen first. */
export const FIRST = 10;

interface Wanted {
  pixels: Float32Array;
  /** Default: the likeliest. */
  code?: Code;
}

type Loaded = Pick<Lab, 'about' | 'digits' | 'encodings' | 'coder'>;

/** Loads the model when the lab opens and disposes it when it closes. @returns undefined until then. */
export function useLab(): Lab | undefined {
  const [loaded, setLoaded] = useState<Loaded>();
  const [shown, setShown] = useState<Shown>();
  const [failure, setFailure] = useState<unknown>();
  const wanted = useRef<Wanted | undefined>(undefined);
  const isBusy = useRef(false);
  const life = useRef({isOver: false, dispose: () => {}});
  if (failure !== undefined) throw failure; // the page says it in the lab's place

  useEffect(() => {
    const own = {isOver: false, dispose: () => {}};
    life.current = own;
    load()
      .then(async ({asset, ...rest}) => {
        own.dispose = () => asset.vae.model.dispose();
        if (own.isOver) return own.dispose();
        const [pixels, encoding] = [rest.digits[FIRST]!.pixels, rest.encodings[FIRST]!];
        const view = await rest.coder.view(encoding.code, pixels);
        if (own.isOver) return own.dispose();
        setShown({pixels, encoding, view, ...tensors()});
        setLoaded(rest);
      })
      .catch(setFailure);
    return () => {
      own.isOver = true;
      if (!isBusy.current) own.dispose(); // else as soon as what is under way is done
    };
  }, []);

  if (!loaded || !shown) return undefined;
  const {coder} = loaded;

  /** Computes what is wanted; what was wanted meanwhile comes next, and only the last of it. */
  const work = async () => {
    if (isBusy.current) return;
    isBusy.current = true;
    const own = life.current;
    try {
      let {pixels, encoding} = shown;
      while (wanted.current && !own.isOver) {
        const {pixels: input, code} = wanted.current;
        wanted.current = undefined;
        if (input !== pixels) [encoding] = (await coder.encode([input])) as [Encoding];
        pixels = input;
        const view = await coder.view(code ?? encoding.code, input);
        if (!own.isOver) setShown({pixels, encoding, view, ...tensors()});
      }
    } catch (error) {
      setFailure(error);
    } finally {
      isBusy.current = false;
      if (own.isOver) own.dispose();
    }
  };
  const want = (next: Wanted) => {
    wanted.current = next;
    void work();
  };
  return {
    ...loaded,
    shown,
    setInput: pixels => want({pixels}),
    setCode: code => want({pixels: wanted.current?.pixels ?? shown.pixels, code}),
  };
}

function tensors(): {numTensors: number} {
  const {numTensors} = tf.memory();
  return {numTensors};
}

async function load(): Promise<Loaded & {asset: Asset}> {
  await startBackend();
  const asset = await loadAsset(new URL('vae/', document.baseURI).href);
  const coder = new Coder(asset.vae);
  const {about, digits} = asset;
  return {asset, about, digits, coder, encodings: await coder.encode(digits.map(({pixels}) => pixels))};
}
