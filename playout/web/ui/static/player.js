'use strict';

// Plays the stream of the folder this page is in: with hls.js if it is there
// and the browser has Media Source Extensions, else with the browser's own HLS.
// ?engine=native asks for the latter.

const $ = (id) => document.getElementById(id);
const video = $('video');
const query = new URLSearchParams(location.search);
if (query.has('embed')) document.body.classList.add('embed'); // the picture alone, for other pages
const source = new URL('index.m3u8', location.href).href;
const name = decodeURIComponent(location.pathname.replace(/^\/|\/$/g, ''));

// How far behind live to play, in seconds: the larger of a fixed part, which
// covers scheduling and decoding, and a few low-latency parts. The player keeps
// this distance by speed; each stall moves it back.
const TARGET_MIN = 0.5;
const TARGET_PARTS = 2.5;
const TARGET_MAX = 6;
const STALL_STEP = 0.25;
const RATE_MAX = 1.15;
const RATE_MIN = 0.95;
const DRY = 1; // this far behind with nothing left to play, we load from the live edge
const JUMP_OVER = 5; // farther behind than this we jump instead of hurrying
const AGAIN = 3; // between two looks for a better place to load from
const PATIENCE = 10; // before we begin anew where a key frame is far behind
const INTO_KEY = 0.05; // behind a key frame's time we are sure to mean that one
const LANDING = 0.3; // what is left in the buffer where we jump towards live

const KEY_FRAME = /^#RINGCAST-KEY-FRAME:TIME-OFFSET=-([\d.]+)/m;

// begun is set once the place to begin was chosen, entering while we load from
// a key frame behind the live edge and shall jump there.
const state = { engine: '', hls: null, target: 0, stalls: 0, started: false, begun: false, entering: false, restarted: 0, fatal: '', ended: false, latency: NaN };
window.ringcast = state; // for tests, and for the curious

document.title = name + ' · Ringcast';
$('name').textContent = name;

function say(text) {
  if ($('message').textContent !== text) $('message').textContent = text;
  $('message').hidden = !text;
}

// retry starts everything again after a while.
let retryTimer = 0;
function retry(text, seconds = 2) {
  say(text);
  clearTimeout(retryTimer);
  if (state.hls) state.hls.stopLoad();
  retryTimer = setTimeout(start, seconds * 1000);
}

function start() {
  if (state.hls) { state.hls.destroy(); state.hls = null; }
  const native = video.canPlayType('application/vnd.apple.mpegurl') !== '';
  if (window.Hls && Hls.isSupported() && query.get('engine') !== 'native') {
    state.engine = 'hls.js ' + Hls.version;
    startHls();
  } else if (native) {
    state.engine = 'native HLS';
    video.src = source;
    play();
  } else {
    say('This browser can play HLS neither itself nor with Media Source Extensions. Try VLC with the link below.');
  }
  $('engine').textContent = state.engine;
}

// listLoader makes a player's first playlist say where to begin, if the node
// tells where the newest key frame is.
function listLoader() {
  return class extends Hls.DefaultConfig.loader {
    load(context, config, callbacks) {
      const done = callbacks.onSuccess;
      super.load(context, config, { ...callbacks, onSuccess: (response, ...rest) => {
        if (!state.begun && KEY_FRAME.test(response.data)) {
          state.entering = true;
          response.data = response.data.replace(KEY_FRAME, (line, seconds) => line + '\n#EXT-X-START:TIME-OFFSET=' + (INTO_KEY - seconds));
        }
        done(response, ...rest);
      } });
    }
  };
}

function startHls() {
  state.restarted = performance.now();
  state.begun = state.entering = false;
  const hls = state.hls = new Hls({
    pLoader: listLoader(),
    lowLatencyMode: true,
    liveSyncOnStallIncrease: 0, // we move the target ourselves, in smaller steps
    maxLiveSyncPlaybackRate: 1, // and hls.js does not speed up with less than 1 s in the buffer
    backBufferLength: 30,
    nudgeOffset: 0.05,
  });
  hls.on(Hls.Events.LEVEL_LOADED, (_, data) => setTarget(hls, data.details));
  hls.on(Hls.Events.ERROR, (_, data) => onHlsError(hls, data));
  let kinds = '';
  hls.on(Hls.Events.FRAG_PARSING_INIT_SEGMENT, (_, data) => {
    // A buffer can't get another track later: where the stream has got one, or
    // lost one, everything begins anew.
    const now = data.id + ':' + Object.keys(data.tracks).sort();
    if (data.id === 'main' && kinds && kinds !== now) setTimeout(start, 0);
    if (data.id === 'main') kinds = now;
  });
  hls.on(Hls.Events.FRAG_BUFFERED, (_, data) => { if (!data.part) passParts(hls, data.frag); });
  hls.on(Hls.Events.MANIFEST_PARSED, play);
  hls.attachMedia(video);
  hls.loadSource(source);
}

// passParts marks the parts of a segment that was loaded as a whole, so that
// hls.js does not load its last ones again: to the browser that is a step back,
// after which it drops all pictures up to the next key frame.
function passParts(hls, frag) {
  const list = frag.type === 'audio' ? hls.audioTracks[frag.level] : hls.levels[frag.level];
  for (const part of list && list.details && list.details.partList || []) {
    if (part.fragment.sn === frag.sn) Object.assign(part.elementaryStreams, frag.elementaryStreams);
  }
}

// setTarget chooses the distance to live once the playlist tells the length of
// its parts. Without parts hls.js keeps its own.
function setTarget(hls, details) {
  if (!details.live) {
    if (state.ended) retry('The stream has ended.', 3); // not all over again
    return;
  }
  state.ended = false;
  if (!state.target && details.partTarget) state.target = Math.max(TARGET_MIN, TARGET_PARTS * details.partTarget);
  if (state.target && hls.targetLatency !== state.target) hls.targetLatency = state.target;
  state.begun = true;
}

function onHlsError(hls, data) {
  if (data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR) return; // counted by the waiting event
  if (!data.fatal) return;
  state.fatal = data.details;
  const code = data.response && data.response.code;
  if (data.type === Hls.ErrorTypes.MEDIA_ERROR) {
    if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR || data.details === Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR) {
      say('This browser cannot decode the stream’s format. Try VLC with the link below.');
      return;
    }
    say('The picture is damaged. Trying again…');
    hls.recoverMediaError();
    return;
  }
  if (code === 404) retry('This stream is not on air. It starts here as soon as it is.');
  else if (code === 503) retry('The stream has paused. Waiting for it to go on…');
  else retry('The node does not answer. Trying again…');
}

function play() {
  video.play().catch(() => say('Press play to start.'));
}

video.addEventListener('playing', () => {
  say('');
  state.started = true;
  state.fatal = '';
  $('sound').hidden = !video.muted;
});
video.addEventListener('waiting', () => {
  if (!state.started || video.seeking || video.paused || state.entering) return;
  state.stalls++;
  if (state.target) state.target = Math.min(TARGET_MAX, state.target + STALL_STEP);
  if (state.hls && state.target) state.hls.targetLatency = state.target;
});
video.addEventListener('ended', () => { state.ended = true; retry('The stream has ended.', 3); });
video.addEventListener('error', () => {
  if (state.hls) return; // hls.js tells
  const code = video.error && video.error.code;
  if (code === 3) retry('The picture is damaged. Trying again…');
  else retry('This stream is not on air, or the browser cannot play it. Trying again…');
});
video.addEventListener('volumechange', () => { $('sound').hidden = !video.muted || !state.started; });
$('sound').addEventListener('click', () => { video.muted = false; play(); video.focus(); });

function ahead() {
  const b = video.buffered;
  for (let i = 0; i < b.length; i++) {
    if (b.start(i) <= video.currentTime + 0.05 && video.currentTime <= b.end(i)) return b.end(i) - video.currentTime;
  }
  return 0;
}

// latency returns the distance to live in seconds, or NaN.
function latency() {
  const details = state.hls && state.hls.latestLevelDetails;
  // hls.latency is the same, but only as fresh as the last timeupdate.
  if (state.hls) return details && details.live ? details.edge + details.age - video.currentTime : NaN;
  const s = video.seekable;
  return s.length ? s.end(s.length - 1) - video.currentTime : NaN;
}

// keyFrame returns where to load from so that there is a picture at once, where
// the last key frame may be far behind the live edge; else 0. The node tells.
function keyFrame(details) {
  const told = KEY_FRAME.exec(details.m3u8);
  return told ? Math.max(details.edge - Number(told[1]), details.fragmentStart) + INTO_KEY : 0;
}

// restartLoad loads from the live edge again. After the publisher was away there
// is a hole in media time that the playlist does not show; hls.js would look for
// the next fragment at the time it is at, and not find the other side for long.
function restartLoad() {
  const details = state.hls.latestLevelDetails;
  if (keyFrame(details)) {
    // The picture stands until there is something new to play.
    if (details.age < AGAIN && (!state.entering || waited(PATIENCE))) start();
    return;
  }
  state.restarted = performance.now();
  state.hls.stopLoad();
  state.hls.startLoad(-1);
  const to = overHole();
  if (to) video.currentTime = to;
}

// waited reports whether some seconds have passed since we chose where to load.
function waited(seconds) { return performance.now() - state.restarted > seconds * 1000; }

// overHole returns the time at which what is buffered begins again, or 0.
function overHole() {
  const b = video.buffered;
  for (let i = 0; i < b.length; i++) {
    if (b.start(i) > video.currentTime) return b.start(i) + 0.02;
  }
  return 0;
}

// jump goes towards the live edge: where key frames are far apart only as far as
// all has come that is needed to decode there, or anew to a key frame beyond
// what has come.
function jump(buffer, behind) {
  const details = state.hls.latestLevelDetails, live = state.hls.liveSyncPosition;
  if (!details || !live || video.seeking) return;
  const key = keyFrame(details), end = video.currentTime + buffer;
  if (live <= end || !key && behind > JUMP_OVER) {
    state.entering = false;
    if (behind > DRY) video.currentTime = live;
  } else if (buffer > LANDING + DRY && end > details.fragmentEnd - LANDING) {
    video.currentTime = end - LANDING; // parts are loaded only near the live edge
  } else if (key > end && waited(PATIENCE)) {
    start();
  }
}

// steer keeps the distance by speed: faster when behind and there is enough in
// the buffer to do so, slower when the buffer is about to run dry.
function steer() {
  const buffer = ahead();
  state.latency = latency();
  if (state.hls && state.target && state.started && !video.paused) {
    const behind = state.latency - state.target;
    let rate = 1;
    if (buffer < 0.05 && behind > DRY && waited(AGAIN)) restartLoad();
    if (state.entering || behind > JUMP_OVER) jump(buffer, behind);
    if (behind > 0.03 && buffer > 0.2) rate = Math.min(RATE_MAX, 1 + behind * 0.4);
    else if (buffer < 0.08) rate = RATE_MIN;
    rate = Math.round(rate * 50) / 50; // each change costs the audio path something
    if (video.playbackRate !== rate) video.playbackRate = rate;
  }
}

function seconds(n) { return Number.isFinite(n) ? n.toFixed(2) + ' s' : '–'; }

function showNumbers() {
  const q = video.getVideoPlaybackQuality ? video.getVideoPlaybackQuality() : { totalVideoFrames: 0, droppedVideoFrames: 0 };
  $('latency').textContent = Number.isFinite(state.latency) ? seconds(state.latency) : state.started ? 'unknown' : '–';
  $('buffered').textContent = seconds(ahead());
  $('speed').textContent = '×' + video.playbackRate.toFixed(2);
  $('frames').textContent = q.totalVideoFrames;
  $('dropped').textContent = q.droppedVideoFrames;
  $('stalls').textContent = state.stalls;
}

setInterval(steer, 100);
setInterval(showNumbers, 500);
start();
