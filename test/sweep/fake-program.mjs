// Stands in for tfjs-moe where a test is of the sweep and not of a program: counts steps, saves a checkpoint at each, goes on from it.
// SPDX-License-Identifier: Apache-2.0
// node fake-program.mjs train <program> --steps n --seed s --output folder [--resume] [--overwrite] [--rate r] [--pause ms] [--die-at step] [--dies times]
// Its loss is (log10(rate) + 2)^2 + 1 / steps + seed / 1000. With --die-at it ends with exit code 3 at that step, so many times in all.
import {appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {parseArgs} from 'node:util';

const text = {type: 'string'};
const flag = {type: 'boolean'};
const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    steps: text,
    seed: text,
    output: text,
    rate: text,
    estimator: text,
    pause: text,
    'die-at': text,
    dies: text,
    resume: flag,
    overwrite: flag,
  },
});
const {output} = values;
const steps = Number(values.steps);
const seed = Number(values.seed);
const rate = Number(values.rate ?? 0.01);
const at = name => join(output, name);
const save = (name, value) => {
  writeFileSync(at(`${name}.part`), JSON.stringify(value));
  renameSync(at(`${name}.part`), at(name));
};
const loss = step => (Math.log10(rate) + 2) ** 2 + 1 / step + seed / 1000;

let isStopped = false;
process.on('SIGTERM', () => {
  isStopped = true;
});
if (process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}

mkdirSync(output, {recursive: true});
const holder = existsSync(at('run.lock')) ? readFileSync(at('run.lock'), 'utf8').split(' ')[0] : '';
if (holder && !existsSync(`/proc/${holder}`)) rmSync(at('run.lock'));
writeFileSync(at('run.lock'), `${process.pid} ${hostname()}`, {flag: 'wx'}); // two processes in one folder would be a fault of the sweep
process.on('exit', () => rmSync(at('run.lock'), {force: true}));
// Each step of each process leaves a line: a test sees what was done twice.
const tell = word => appendFileSync(at('steps.txt'), `${word}\n`);

let step = 0;
if (values.resume) ({step} = JSON.parse(readFileSync(at('checkpoint.bin'), 'utf8')));
else if (existsSync(at('checkpoint.bin')) && !values.overwrite) throw new Error('There is a run already.');
rmSync(at('result.json'), {force: true});
process.stdout.write(`from step ${step} of ${steps}\n`);
while (step < steps) {
  if (step === Number(values['die-at'])) {
    const deaths = existsSync(at('deaths.txt')) ? readFileSync(at('deaths.txt'), 'utf8').length : 0;
    if (deaths < Number(values.dies ?? 1)) {
      appendFileSync(at('deaths.txt'), '.');
      process.stderr.write(`Out of luck at step ${step}.\n`);
      process.exit(3);
    }
  }
  ++step;
  tell(step);
  await setTimeout(Number(values.pause ?? 0));
  save('checkpoint.bin', {step});
  if (isStopped && step < steps) process.exit(143);
}
save('result.json', {program: positionals[1], settings: {steps, seed, rate}, figures: {loss: loss(step), step}});
