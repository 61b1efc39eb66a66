// Pictures of the playground's labs at work, on a phone and on a desk, light and dark, to be looked at.
// SPDX-License-Identifier: Apache-2.0
import {mkdir} from 'node:fs/promises';
import {join, relative} from 'node:path';
import {fileURLToPath} from 'node:url';
import {Command, InvalidArgumentError} from 'commander';
import {findChromium, startChromium} from '../test/package/browser.ts';
import {buildPlayground} from '../test/site/support/build-playground.ts';
import {openPage, SIZES} from '../test/site/support/open-page.ts';
import {serveFolder} from '../test/site/support/serve-folder.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const LABS = ['estimators', 'experts', 'codes'];
const THEMES = ['light', 'dark'];

const command = new Command('screenshots')
  .description('Builds the playground, serves it on loopback and takes a picture of each lab in Chromium.')
  .option('--labs <names>', `comma-separated, of ${LABS.join(', ')}`, readLabs, LABS)
  .option('--seconds <number>', 'how long a lab works before its picture is taken', readSeconds, 5)
  .option('--output <folder>', 'where the pictures go', join(root, 'runs/screenshots'))
  .addHelpText(
    'after',
    '\nThe pictures are <lab>-<width>-<theme>.png, of the whole page. Needs the built library: npm run build.',
  );

function readLabs(text) {
  const names = text.split(',');
  const unknown = names.find(name => !LABS.includes(name));
  if (unknown !== undefined) throw new InvalidArgumentError(`unknown lab "${unknown}".`);
  return names;
}

function readSeconds(text) {
  const seconds = Number(text);
  if (!(seconds >= 0 && seconds <= 600)) throw new InvalidArgumentError('expected a number from 0 to 600.');
  return seconds;
}

/** One line, written over itself in a terminal. */
function say(text) {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${text}` : `${text}\n`);
}

/** The lab at work; what went wrong in it, in words. */
async function takePicture(browser, url, {lab, viewport, colorScheme, seconds, file}) {
  const deviceScaleFactor = viewport.width < 600 ? 2 : 1;
  const {page, problems, close} = await openPage(browser, `${url}#${lab}`, {viewport, colorScheme, deviceScaleFactor});
  await page.waitForSelector('main canvas', {timeout: 60_000});
  await page.waitForTimeout(1000 * seconds);
  await page.screenshot({path: file, fullPage: true});
  await close();
  return problems.map(problem => `${lab}, ${viewport.width}, ${colorScheme}: ${problem}`);
}

async function main() {
  const {labs, seconds, output} = command.parse().opts();
  const chromium = findChromium();
  if (chromium === undefined) throw new Error('needs Chromium, such as the package chromium of Debian.');
  say('building the playground');
  const {folder, remove} = await buildPlayground();
  const {url, stop} = await serveFolder(folder, '/playground/');
  const browser = await startChromium(chromium);
  try {
    await mkdir(output, {recursive: true});
    const shots = labs.flatMap(lab =>
      Object.values(SIZES).flatMap(viewport => THEMES.map(colorScheme => ({lab, viewport, colorScheme}))),
    );
    const problems = [];
    for (const [i, shot] of shots.entries()) {
      const name = `${shot.lab}-${shot.viewport.width}-${shot.colorScheme}.png`;
      say(`${i + 1}/${shots.length} ${name}`);
      problems.push(...(await takePicture(browser, url, {...shot, seconds, file: join(output, name)})));
    }
    say(`${shots.length} pictures in ${relative(process.cwd(), output) || '.'}`);
    if (process.stderr.isTTY) process.stderr.write('\n');
    if (problems.length > 0) throw new Error(`the pages had problems:\n${problems.join('\n')}`);
  } finally {
    await browser.close();
    await stop();
    await remove();
  }
}

await main().catch(error => {
  process.stderr.write(`\nscreenshots: ${error.message}\n`);
  process.exitCode = 1;
});
