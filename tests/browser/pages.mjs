// Opens reports in Chromium and checks that they draw, answer and fetch nothing.
//   node pages.mjs SHOTS_FOLDER REPORT.html...
import {existsSync, mkdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {basename, dirname, join, resolve} from 'node:path';
import {chromium} from 'playwright-core';

const [shots, ...reports] = process.argv.slice(2);
const VIEWS = [['light', 1280, 900], ['dark', 1280, 900], ['light', 390, 844]];
// What the issue of a whole-model run and of a 10,000-point sweep may weigh and take.
const LIMITS = {run: {bytes: 3e6, ready_ms: 1000}, sweep: {bytes: 8e6, ready_ms: 2000}};
let failures = 0;

function check(good, what) {
  if (good) return;
  ++failures;
  console.log('FAILED ' + what);
}

/// Share of a canvas's pixels that are not transparent, and how many colours it shows.
const paint = canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const colours = new Set();
  let drawn = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] === 0) continue;
    ++drawn;
    if (colours.size < 500) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  }
  return {share: drawn / (data.length / 4), colours: colours.size};
};

async function charts(page, name) {
  const boxes = await page.locator('.chart').all();
  for (const box of boxes) {
    await box.scrollIntoViewIfNeeded();
    const title = await box.getAttribute('data-title');
    await box.locator('canvas').first().waitFor({timeout: 30000}).catch(() => {});
    const found = await box.locator('canvas').count();
    check(found > 0, name + ': no canvas for ' + title);
    if (!found) continue;
    const {share, colours} = await box.locator('canvas').first().evaluate(paint);
    check(share > 0.002 && colours >= 3, `${name}: ${title} is empty (${share.toFixed(4)}, ${colours} colours)`);
  }
  return boxes.length;
}

async function hover(page, name) {
  const box = page.locator('.chart').first();
  await box.scrollIntoViewIfNeeded();
  await box.focus();
  let shown = '';
  for (let i = 0; i < 12 && !shown; ++i) {
    await page.keyboard.press('ArrowRight');
    shown = await box.evaluate(node => [...node.children].slice(1).map(c => c.textContent).join('').trim());
  }
  check(shown.length > 3, name + ': arrow keys show no tooltip');
}

const ZOOMED = ['One layer, engine by engine', 'One pass through every block', 'Every design on two measures'];

/// Control and wheel over a chart show less of it, larger.
async function zoom(page, name) {
  for (const title of ZOOMED) {
    const box = page.locator(`.chart[data-title="${title}"]`).first();
    if (await box.count() === 0) continue;
    await box.scrollIntoViewIfNeeded();
    const image = () => box.locator('canvas').first().evaluate(canvas => canvas.toDataURL());
    const before = await image();
    const place = await box.boundingBox();
    await page.mouse.move(place.x + place.width / 2, place.y + place.height / 2);
    await page.keyboard.down('Control');
    for (let i = 0; i < 4; ++i) await page.mouse.wheel(0, -240);
    await page.keyboard.up('Control');
    await page.waitForTimeout(300);
    await page.mouse.move(2, 2);
    await page.waitForTimeout(100);
    check(before !== await image(), `${name}: ${title} does not zoom`);
    return;
  }
}

async function downloads(page, name) {
  const button = page.locator('button.csv:visible').first();
  const [file] = await Promise.all([page.waitForEvent('download', {timeout: 60000}), button.click()]);
  const lines = readFileSync(await file.path(), 'utf8').trim().split('\n');
  check(lines.length > 1 && lines[0].includes(','), name + ': the CSV has no rows');
}

async function keyboard(page, name) {
  await page.keyboard.press('Tab');
  const first = await page.evaluate(() => document.activeElement.className);
  check(first === 'skip', name + ': the first stop of Tab is not the skip link');
}

/// A smaller picture, as a data address.
const reduced = async ([address, scale]) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/png');
};

/// How far two pictures are from each other to the eye: the share of blocks of 8 x 8 pixels whose mean
/// colour differs by more than a twelfth of the range, edges softened by the mean. Sizes count too.
const perceived = async ([one, two]) => {
  const means = async address => {
    const image = new Image();
    image.src = address;
    await image.decode();
    const width = Math.floor(image.width / 8), height = Math.floor(image.height / 8);
    const canvas = document.createElement('canvas');
    canvas.width = image.width;
    canvas.height = image.height;
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    const out = [];
    for (let y = 0; y < height; ++y) {
      for (let x = 0; x < width; ++x) {
        const sum = [0, 0, 0];
        for (let j = 0; j < 8; ++j) {
          for (let i = 0; i < 8; ++i) {
            for (let c = 0; c < 3; ++c) sum[c] += data[((y * 8 + j) * canvas.width + x * 8 + i) * 4 + c];
          }
        }
        out.push(sum.map(v => v / 64));
      }
    }
    return {width, height, out};
  };
  const [a, b] = [await means(one), await means(two)];
  if (a.width !== b.width || Math.abs(a.height - b.height) > .02 * a.height) return 1;
  const blocks = Math.min(a.out.length, b.out.length);
  let far = 0;
  for (let i = 0; i < blocks; ++i) {
    const [p, q] = [a.out[i], b.out[i]];
    // Luminance weights: the eye tells greens apart best.
    if (.3 * Math.abs(p[0] - q[0]) + .59 * Math.abs(p[1] - q[1]) + .11 * Math.abs(p[2] - q[2]) > 21) ++far;
  }
  return far / blocks;
};

const dataAddress = file => 'data:image/png;base64,' + readFileSync(file).toString('base64');
const FAR_BLOCKS = 0.04;

/// Pages made from fixed results must look as they did. UPDATE_GOLDEN=1 takes the new look.
async function golden(browser, name, picture) {
  const kept = join(import.meta.dirname, 'golden', name + '.png');
  const page = await browser.newPage();
  const small = await page.evaluate(reduced, [dataAddress(picture), 0.16]);
  if (process.env.UPDATE_GOLDEN) {
    mkdirSync(dirname(kept), {recursive: true});
    writeFileSync(kept, Buffer.from(small.split(',')[1], 'base64'));
  } else {
    check(existsSync(kept), name + ': no golden picture; UPDATE_GOLDEN=1 keeps this one');
    if (existsSync(kept)) {
      const far = await page.evaluate(perceived, [dataAddress(kept), small]);
      check(far <= FAR_BLOCKS, `${name}: ${(100 * far).toFixed(1)} % of the page looks different from its golden picture`);
      console.log(`${name}: ${(100 * far).toFixed(1)} % of the page differs from its golden picture`);
    }
  }
  await page.close();
}

async function view(browser, path, [scheme, width, height]) {
  const name = `${basename(dirname(path))}-${scheme}-${width}`;
  const context = await browser.newContext({viewport: {width, height}, colorScheme: scheme, acceptDownloads: true});
  context.setDefaultTimeout(120000);  // a loaded machine is slow, not wrong
  const page = await context.newPage();
  page.on('console', message => { if (message.type() === 'error') check(false, name + ': console: ' + message.text()); });
  page.on('pageerror', error => check(false, name + ': ' + error.message));
  page.on('request', request => {
    if (!/^(file|data|blob):/.test(request.url())) check(false, name + ': asks for ' + request.url());
  });
  await page.goto('file://' + path);
  await page.waitForSelector('html[data-ready=yes]', {timeout: 120000});
  const ready = Number(await page.evaluate(() => document.documentElement.dataset.readyMs));
  const size = statSync(path).size;
  const kind = await page.evaluate(() => data.sweep ? 'sweep' : 'run');
  const hasCharts = await page.evaluate(() => HAS_CHARTS);
  if (width > 400) await keyboard(page, name);
  const count = hasCharts ? await charts(page, name) : 0;
  check(!hasCharts || count > 0, name + ': no charts');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(wide <= 1, `${name}: the page is ${wide} px wider than its window`);
  if (scheme === 'light' && width > 400) {
    if (hasCharts) await hover(page, name);
    if (hasCharts) await zoom(page, name);
    await downloads(page, name);
    const before = await page.evaluate(() => document.documentElement.dataset.theme);
    await page.click('#theme');
    check(before !== await page.evaluate(() => document.documentElement.dataset.theme), name + ': the theme does not change');
    await page.click('#theme');
  }
  check(size <= LIMITS[kind].bytes, `${name}: ${size} bytes, at most ${LIMITS[kind].bytes}`);
  await page.evaluate(() => window.scrollTo(0, 0));
  const picture = join(shots, name + '.png');
  await page.screenshot({path: picture, fullPage: true});
  if (basename(dirname(path)).startsWith('fixed-')) await golden(browser, name, picture);
  // The picture that the README shows.
  if (process.env.UPDATE_GOLDEN && name === 'fixed-run-light-1280') {
    await page.locator('#layer figure').first().screenshot({path: join(import.meta.dirname, 'picture.png')});
  }
  await context.close();
  // Speed is said, and judged by the reader: a loaded machine is no fault of the page.
  const late = ready > LIMITS[kind].ready_ms ? `, later than the ${LIMITS[kind].ready_ms} ms it should take` : '';
  console.log(`${name}: ${count} charts, ${(size / 1e6).toFixed(2)} MB, interactive after ${ready} ms${late}`);
}

mkdirSync(shots, {recursive: true});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});
for (const report of reports.map(r => resolve(r))) {
  check(existsSync(report), report + ' is not there');
  for (const v of VIEWS) await view(browser, report, v);
}
await browser.close();
console.log(failures ? failures + ' failures' : 'all pages good');
process.exit(failures ? 1 : 0);
