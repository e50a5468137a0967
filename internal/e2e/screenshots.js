// Takes the pictures of the README and the documents in headless Chromium:
//
//   node screenshots.js NODE REPORT DIR
//
// NODE is the HTTP address of a demo, REPORT the file of a simulation's report.
'use strict';
const { chromium } = require('playwright-core');

const [node, report, dir] = process.argv.slice(2);

const shots = [
  { name: 'dashboard', url: node + '/', width: 1100, height: 900, full: true, settle: 20000, ready: () => document.querySelectorAll('#neighbors tr').length > 5 },
  { name: 'dashboard-phone', url: node + '/', width: 390, height: 844, full: true, settle: 8000, ready: () => document.querySelectorAll('#neighbors tr').length > 5 },
  { name: 'player', url: node + '/live/demo/', width: 1000, height: 860, settle: 6000, ready: () => document.querySelector('video').currentTime > 0.1 },
  { name: 'player-phone', url: node + '/live/demo/', width: 390, height: 844, settle: 4000, ready: () => document.querySelector('video').currentTime > 0.1 },
  { name: 'simulation', url: 'file://' + report, width: 1100, height: 900, settle: 500, ready: () => document.querySelector('svg') },
  { name: 'simulation-phone', url: 'file://' + report, width: 390, height: 844, settle: 500, ready: () => document.querySelector('svg') },
];

(async () => {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'],
  });
  for (const s of shots) {
    const page = await browser.newPage({ viewport: { width: s.width, height: s.height }, deviceScaleFactor: 1 });
    page.on('pageerror', (e) => { console.error(s.name, String(e)); process.exitCode = 1; });
    await page.goto(s.url);
    await page.waitForFunction(s.ready, null, { timeout: 60000 });
    await page.waitForTimeout(s.settle);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) { console.error(`${s.name} is ${wide} pixels too wide`); process.exitCode = 1; }
    await page.screenshot({ path: `${dir}/${s.name}.png`, fullPage: Boolean(s.full) });
    await page.close();
  }
  await browser.close();
})().catch((e) => { console.error(e); process.exit(1); });
