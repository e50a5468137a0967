// Opens several player pages at once in headless Chromium. Standard input is a
// JSON array of {url, video, audio}: what each stream has. Some seconds later it
// waits for each page to play on without a break for a while, and prints the
// outcome as a JSON array. The tests run it with node:
//
//   node faults.js SECONDS PATIENCE
'use strict';
const { chromium } = require('playwright-core');

const [seconds, patience] = process.argv.slice(2).map(Number);

const read = () => {
  const v = document.querySelector('video');
  return {
    time: v.currentTime,
    frames: v.getVideoPlaybackQuality().totalVideoFrames,
    audioBytes: v.webkitAudioDecodedByteCount || 0,
    stalls: (window.ringcast || {}).stalls || 0,
    message: document.getElementById('message').hidden ? '' : document.getElementById('message').textContent,
  };
};

(async () => {
  let input = '';
  for await (const chunk of process.stdin) input += chunk;
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-dev-shm-usage'],
  });
  const wait = (s) => new Promise((done) => setTimeout(done, s * 1000));
  // playsOn waits until a page has played for 3 s: at the speed of a clock, not
  // by jumps, with pictures and sound.
  const playsOn = async (page, stream) => {
    const from = Date.now(), until = from + patience * 1000;
    for (;;) {
      const before = await page.evaluate(read);
      await wait(3);
      const after = await page.evaluate(read);
      const ok = after.time - before.time > 2 && after.time - before.time < 4.5 &&
        (!stream.video || after.frames - before.frames >= stream.video) && (!stream.audio || after.audioBytes > before.audioBytes);
      if (ok || Date.now() > until) return { ok, before, after, waited: (Date.now() - from) / 1000 };
    }
  };
  try {
    const streams = JSON.parse(input);
    const pages = await Promise.all(streams.map(async (stream) => {
      // A window of its own for each: tabs in the background may sleep.
      const page = await (await browser.newContext({ viewport: { width: 320, height: 240 } })).newPage();
      await page.goto(stream.url);
      return page;
    }));
    await wait(seconds);
    console.log(JSON.stringify(await Promise.all(pages.map((p, i) => playsOn(p, streams[i])))));
  } finally {
    await browser.close();
  }
})();
