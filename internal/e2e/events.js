// Opens a player page in headless Chromium and prints the timed metadata that
// hls.js finds within some seconds, as a JSON array of {text, date}: the ID3
// tag's text and the date, in milliseconds, of its moment. The test runs it
// with node:
//
//   node events.js URL SECONDS
'use strict';
const { chromium } = require('playwright-core');

const [url, seconds] = process.argv.slice(2);

const listen = () => {
  window.events = [];
  const hls = window.ringcast.hls;
  hls.on('hlsFragParsingMetadata', (_, data) => {
    // The date of a moment: that of a fragment, and how far behind its start.
    for (const s of data.samples) {
      const { start, programDateTime } = data.frag;
      window.events.push({ text: new TextDecoder().decode(s.data), date: programDateTime + (s.pts - start) * 1000 });
    }
  });
};

(async () => {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 480, height: 400 } });
    await page.goto(url);
    await page.waitForFunction(() => document.querySelector('video').currentTime > 0, null, { timeout: 30000 });
    await page.evaluate(listen);
    await page.waitForTimeout(seconds * 1000);
    console.log(JSON.stringify(await page.evaluate(() => window.events)));
  } finally {
    await browser.close();
  }
})();
