// Runs a trainer in the frames of the page: as many steps as a frame has time for, one thing after the other.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import {History, type Moment} from './history.js';
import type {ExpertSettings, LiveSettings} from './settings.js';
import {ExpertTrainer, type Plane, type Report} from './trainer.js';

/** How fast to train: as the frames allow, or so slowly that one can watch. */
export type Pace = 'full' | 'slow';

/** What the page shows. */
export interface Snapshot {
  report: Report;
  /** On points that were not learned from: share of right classes, or of explained variance. */
  score: number;
  plane: Plane;
  /** What the targets are. */
  kind: ExpertTrainer['kind'];
  /** Points that are learned from. */
  training: ExpertTrainer['training'];
  history: Moment[];
  /** Steps in a second while running; 0 before there is a measure. */
  speed: number;
  /** What TensorFlow.js holds between two frames. */
  numTensors: number;
}

/** What a session tells the page. */
export interface SessionEvents {
  onSnapshot: (snapshot: Snapshot) => void;
  onFailure: (error: unknown) => void;
}

/**
 * Time for steps in a frame, ms: as much as went by since the one before, within bounds. At 60 frames a second that is half of the time; the
 * rest is for drawing and for the reader. The upper bound is what a reader does not yet feel.
 */
const STEP_BUDGET = {least: 8, most: 50};
/** Time between two looks at the plane, ms. */
const PICTURE_INTERVAL = 250;
/** Where the browser draws fewer frames than this many ms apart, steps are made between them. */
const LONGEST_WAIT = 32;
/** A step of the slow pace takes so long, ms. */
const SLOW_INTERVAL = 100;
/** Cells along each edge of the plane. */
export const PLANE_SIZE = 64;

/** A run that can be paused and made anew. Its methods may be called at any time: each waits for those before it. */
export class Session {
  readonly #events: SessionEvents;
  #trainer: ExpertTrainer | undefined;
  #history = new History();
  #live: LiveSettings | undefined;
  #pace: Pace = 'full';
  #isRunning = false;
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #queue: Promise<void> = Promise.resolve();
  /** How many steps a frame may make, so that a device with a queue of its own does not fall behind. */
  #limit = 1;
  #lastFrame = 0;
  #lastPicture = Number.NEGATIVE_INFINITY;
  #lastSlowStep = Number.NEGATIVE_INFINITY;
  #speed = 0;
  #shown = {step: 0, time: 0};

  constructor(events: SessionEvents) {
    this.#events = events;
  }

  /** Makes a new run, after `before`, which may start another backend; shows it before its first step. */
  restart(settings: ExpertSettings, before: () => Promise<unknown> = async () => {}): Promise<void> {
    return this.#enqueue(async () => {
      this.#trainer?.dispose(); // on the backend that made it
      this.#trainer = undefined;
      await before();
      this.#trainer = new ExpertTrainer(settings);
      this.#live = settings;
      this.#history = new History();
      this.#limit = 1;
      this.#speed = 0;
      await this.#show();
    });
  }

  /** Changes what takes effect at the next step. */
  adjust(live: LiveSettings): void {
    this.#live = live;
  }

  /** Whether there is a run that can be trained. */
  get isReady(): boolean {
    return this.#trainer !== undefined;
  }

  /** How fast it trains. */
  set pace(pace: Pace) {
    this.#pace = pace;
  }

  /** Trains on until `pause`. */
  run(): void {
    this.#isRunning = true;
    this.#shown.time = performance.now(); // the pause is not part of the speed
    this.#nextFrame();
  }

  /** Stops after the frame at hand, and shows what came of it. */
  pause(): Promise<void> {
    this.#isRunning = false;
    return this.#enqueue(() => this.#show());
  }

  /** Makes one step, and shows it. */
  stepOnce(): Promise<void> {
    return this.#enqueue(async () => {
      this.#trainOnce();
      await this.#show();
    });
  }

  /** Stops and frees everything. */
  dispose(): Promise<void> {
    this.#isRunning = false;
    this.#cancelFrame();
    return this.#enqueue(async () => {
      this.#trainer?.dispose();
      this.#trainer = undefined;
    });
  }

  #enqueue(action: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(action).catch(error => {
      this.#isRunning = false;
      this.#events.onFailure(error);
    });
    return this.#queue;
  }

  /** Plans the next frame's steps; a page that nobody sees gets no frames, and makes none. */
  #nextFrame(): void {
    this.#cancelFrame();
    const train = () => {
      this.#cancelFrame();
      if (this.#isRunning)
        void this.#enqueue(() => this.#trainForAFrame()).then(() => this.#isRunning && this.#nextFrame());
    };
    this.#frame = requestAnimationFrame(train);
    this.#timer = setTimeout(() => document.hidden || train(), LONGEST_WAIT);
  }

  #cancelFrame(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
  }

  async #trainForAFrame(): Promise<void> {
    const trainer = this.#trainer;
    if (!trainer || !this.#isRunning) return;
    const start = performance.now();
    if (this.#pace === 'slow' && start - this.#lastSlowStep < SLOW_INTERVAL) return;
    this.#lastSlowStep = start;
    const limit = this.#pace === 'slow' ? 1 : this.#limit;
    const budget = Math.min(STEP_BUDGET.most, Math.max(STEP_BUDGET.least, start - this.#lastFrame));
    let steps = 0;
    do this.#trainOnce();
    while (++steps < limit && performance.now() - start < budget);
    await trainer.report(); // waits for the device to be done
    const elapsed = performance.now() - start;
    if (elapsed > 2 * budget) this.#limit = Math.max(1, this.#limit >> 1);
    else if (steps === this.#limit) ++this.#limit;
    if (performance.now() - this.#lastPicture >= PICTURE_INTERVAL) await this.#show();
    this.#lastFrame = performance.now();
  }

  #trainOnce(): void {
    if (!this.#trainer) return;
    this.#trainer.adjust(this.#live!);
    this.#trainer.train();
  }

  async #show(): Promise<void> {
    const trainer = this.#trainer;
    if (!trainer) return;
    const report = await trainer.report();
    const score = await trainer.judge();
    const plane = await trainer.look(PLANE_SIZE);
    this.#measureSpeed(report.step);
    if (report.step > 0) this.#history.add({step: report.step, loss: report.loss, score});
    const {numTensors} = tf.memory();
    const {moments: history} = this.#history;
    const {kind, training} = trainer;
    this.#events.onSnapshot({report, score, plane, kind, training, history, speed: this.#speed, numTensors});
  }

  /** Over the time since the last picture. */
  #measureSpeed(step: number): void {
    const time = performance.now();
    const {step: lastStep, time: lastTime} = this.#shown;
    if (step > lastStep && this.#isRunning) this.#speed = (1000 * (step - lastStep)) / (time - lastTime);
    this.#shown = {step, time};
    this.#lastPicture = time;
  }
}
