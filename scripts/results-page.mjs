// Writes docs/guides/results.md: every table of docs/results beside the papers' figures. `node scripts/results-page.mjs`; --print leaves the file alone.
// SPDX-License-Identifier: Apache-2.0
import {writeFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {mnistMoe, moeLm, searchCell, searchTable} from './results/choices.mjs';
import {gradientQuality, polynomial, toyVariance} from './results/known.mjs';
import {bernoulliVae, gumbelRaoVae, listops, mnistVae} from './results/latents.mjs';

const INTRODUCTION = `---
title: Results
---

# Results

Every record of \`docs/results\`, made into tables by \`node scripts/results-page.mjs\`: no figure of ours on this page was typed. What the figures mean, and
how far a setting is from the paper's: [the papers' experiments](experiments.md). Each record is one finished run and holds the command that made it, which stands below its table;
in a clone of the repository \`tfjs-moe train\` is \`npm run train --\`. Published figures are copied as printed, with their source.`;

const SECTIONS = [
  polynomial,
  toyVariance,
  gradientQuality,
  mnistVae,
  gumbelRaoVae,
  bernoulliVae,
  listops,
  searchTable,
  searchCell,
  mnistMoe,
  moeLm,
];

const page = `${[INTRODUCTION, ...SECTIONS.map(section => section())].join('\n\n')}\n`;
if (process.argv.includes('--print')) process.stdout.write(page);
else writeFileSync(fileURLToPath(new URL('../docs/guides/results.md', import.meta.url)), page);
