// Opens a page with a video element in headless Chromium, lets it play, and
// prints what it saw as one JSON object. The tests run it with node:
//
//   node browser.js URL SECONDS SCREENSHOT
'use strict';
const { chromium } = require('playwright-core');

const [url, seconds, screenshot] = process.argv.slice(2);

const read = () => {
  const v = document.querySelector('video');
  const q = v.getVideoPlaybackQuality();
  const player = window.ringcast || {};
  const date = player.hls && player.hls.playingDate;
  return {
    time: v.currentTime,
    frames: q.totalVideoFrames,
    dropped: q.droppedVideoFrames,
    audioBytes: v.webkitAudioDecodedByteCount || 0,
    width: v.videoWidth,
    height: v.videoHeight,
    rate: v.playbackRate,
    stalls: player.stalls || 0,
    latency: player.latency,
    onScreen: date ? (Date.now() - date) / 1000 : null,
    error: v.error ? v.error.message || String(v.error.code) : '',
    engine: player.engine || '',
    shown: document.getElementById('latency')?.textContent || '',
    message: document.getElementById('message')?.hidden === false ? document.getElementById('message').textContent : '',
  };
};

(async () => {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'],
  });
  const out = { requests: [], console: [], readings: [] };
  try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 820 } });
    page.on('request', (r) => { const host = new URL(r.url()).host; if (host && !out.requests.includes(host)) out.requests.push(host); });
    page.on('console', (m) => { if (m.type() === 'error') out.console.push(m.text()); });
    page.on('pageerror', (e) => out.console.push(String(e)));
    const opened = Date.now();
    await page.goto(url);
    await page.waitForFunction(() => document.querySelector('video')?.currentTime > 0.1, null, { timeout: 30000 });
    out.startSeconds = (Date.now() - opened) / 1000;
    await page.waitForTimeout(1000);
    out.first = await page.evaluate(read);
    const until = Date.now() + seconds * 1000;
    while (Date.now() < until) {
      await page.waitForTimeout(250);
      out.readings.push(await page.evaluate(read));
    }
    out.last = await page.evaluate(read);
    if (await page.$('#links button')) {
      out.links = await page.$$eval('#links code', (all) => all.map((e) => e.textContent));
      await page.click('#links li:last-child button');
      await page.waitForFunction(() => document.getElementById('copied').textContent !== '', null, { timeout: 5000 });
      out.copied = await page.textContent('#copied');
    }
    if (screenshot) await page.screenshot({ path: screenshot });
  } catch (e) {
    out.failure = String(e);
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(out));
})();
