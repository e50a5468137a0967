// Opens the dashboard in headless Chromium and prints what a test wants to know
// of it as one JSON object:
//
//   node dashboard.js URL WIDTH SCREENSHOT
'use strict';
const { chromium } = require('playwright-core');

const [url, width, screenshot] = process.argv.slice(2);

// focused describes what has the focus: its tag and what a screen reader says.
const focused = () => {
  const e = document.activeElement;
  const name = e.getAttribute('aria-label') || e.getAttribute('title') || e.textContent.trim() || e.querySelector('img')?.alt || '';
  return e.tagName.toLowerCase() + ' ' + name.replace(/\s+/g, ' ').slice(0, 40);
};

(async () => {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true,
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'],
  });
  const out = { requests: [], console: [], focus: [] };
  try {
    const page = await browser.newPage({ viewport: { width: Number(width), height: 850 } });
    page.on('request', (r) => { const host = new URL(r.url()).host; if (host && !out.requests.includes(host)) out.requests.push(host); });
    page.on('console', (m) => { if (m.type() === 'error') out.console.push(m.text()); });
    page.on('pageerror', (e) => out.console.push(String(e)));
    await page.goto(url);
    for (let i = 0; i < 6; i++) { // before the player has the focus
      await page.keyboard.press('Tab');
      out.focus.push(await page.evaluate(focused));
    }
    await page.waitForFunction(() => document.querySelectorAll('#neighbors tr').length >= 3 && document.querySelectorAll('#ring .push').length > 0, null, { timeout: 30000 });
    await page.frameLocator('#player iframe').locator('video').waitFor({ timeout: 30000 });
    const frame = page.frames().find((f) => f.url().includes('embed'));
    await frame.waitForFunction(() => document.querySelector('video').currentTime > 0.1, null, { timeout: 30000 });
    out.seen = await page.evaluate(() => ({
      summary: document.getElementById('summary').textContent,
      neighbors: document.querySelectorAll('#neighbors tr').length,
      links: document.querySelectorAll('#ring .push').length,
      ring: document.getElementById('ring').getAttribute('aria-label') || document.querySelector('#ring title')?.textContent || '',
      rates: document.getElementById('rates').getAttribute('aria-label') || '',
      share: document.getElementById('share-link').textContent,
      tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      // What can be used must have a name, and what tells news must be told.
      nameless: [...document.querySelectorAll('a, button, iframe, [role=img], [role=region], [role=log], meter')]
        .filter((e) => !(e.getAttribute('aria-label') || e.title || e.textContent.trim() || e.querySelector('title, img[alt]'))).map((e) => e.outerHTML.slice(0, 80)),
      live: document.querySelectorAll('[role=status], [role=log]').length,
      language: document.documentElement.lang,
    }));
    await page.screenshot({ path: screenshot, fullPage: true });
  } catch (e) {
    out.failure = String(e);
  }
  await browser.close();
  console.log(JSON.stringify(out));
})();
