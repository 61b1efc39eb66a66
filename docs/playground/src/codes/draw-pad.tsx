// Where one draws a digit with a finger, a pen or a mouse.
// SPDX-License-Identifier: Apache-2.0
import {useEffect, useRef} from 'preact/hooks';
import {Button} from '../controls/index.js';
import {centerDigit} from './center-digit.js';

interface DrawPadProps {
  /** Is told of the drawing, at most once a frame, as MNIST would have it. */
  onDraw: (pixels: Float32Array) => void;
}

/** Of the canvas, in its pixels. */
const SIZE = 280;
/** Of the pen: a stroke of MNIST is a tenth of the digit's height or little less. */
const PEN = 22;

export function DrawPad({onDraw}: DrawPadProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef(0);
  const last = useRef<{x: number; y: number} | undefined>(undefined);
  useEffect(() => () => cancelAnimationFrame(frame.current), []);

  const tell = () => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      const digit = centerDigit(inkOf(canvas.current!), SIZE);
      if (digit) onDraw(digit);
    });
  };
  const lineTo = (event: PointerEvent) => {
    const {left, top, width} = canvas.current!.getBoundingClientRect();
    const point = {x: ((event.clientX - left) * SIZE) / width, y: ((event.clientY - top) * SIZE) / width};
    const context = contextOf(canvas.current!);
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.lineWidth = PEN;
    context.beginPath();
    context.moveTo(last.current?.x ?? point.x, last.current?.y ?? point.y);
    context.lineTo(point.x, point.y);
    context.stroke();
    last.current = point;
    tell();
  };
  return (
    <div class="codes-pad">
      <canvas
        ref={canvas}
        width={SIZE}
        height={SIZE}
        role="img"
        aria-label="An area to draw a digit in, with a finger, a pen or a mouse"
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId);
          last.current = undefined;
          lineTo(event);
        }}
        onPointerMove={event => {
          if (event.currentTarget.hasPointerCapture(event.pointerId)) lineTo(event);
        }}
      />
      <p>Draw a digit in the box: it is shrunk and centred as MNIST's are.</p>
      <Button onClick={() => contextOf(canvas.current!).clearRect(0, 0, SIZE, SIZE)}>Clear the pad</Button>
    </div>
  );
}

/** How much ink each pixel has, from 0 to 1. */
function inkOf(canvas: HTMLCanvasElement): Float32Array {
  const {data} = contextOf(canvas).getImageData(0, 0, SIZE, SIZE);
  return Float32Array.from({length: SIZE * SIZE}, (_, i) => data[4 * i + 3]! / 255);
}

/** On the processor: the pixels are read at each stroke. */
function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  return canvas.getContext('2d', {willReadFrequently: true})!;
}
