'use strict';

// Asks the node every two seconds and shows its streams. Rates are made here
// from the counters of two answers, so the node keeps no history for us.

const $ = (id) => document.getElementById(id);
const before = new Map(); // stream name -> {bytes, at}

// element makes an element with text and children; text is never HTML.
function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

function rate(stream, now) {
  const last = before.get(stream.name);
  before.set(stream.name, { bytes: stream.receivedBytes, at: now });
  if (!last || now - last.at < 200 || stream.receivedBytes < last.bytes) return null;
  return (stream.receivedBytes - last.bytes) * 8 / ((now - last.at) / 1000);
}

function bits(n) {
  if (n === null) return '–';
  if (n >= 1e6) return (n / 1e6).toFixed(2) + ' Mbit/s';
  return Math.round(n / 1e3) + ' kbit/s';
}

function age(since) {
  const s = Math.max(0, Math.round((Date.now() - new Date(since)) / 1000));
  if (s < 60) return s + ' s';
  if (s < 3600) return Math.floor(s / 60) + ' min';
  return Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min';
}

function track(t) {
  const parts = [t.codec];
  if (t.width) parts.push(t.width + '×' + t.height);
  if (t.frameRate) parts.push(Math.round(t.frameRate * 100) / 100 + ' fps');
  if (t.sampleRate) parts.push(t.sampleRate / 1000 + ' kHz');
  if (t.channels) parts.push(t.channels === 1 ? 'mono' : t.channels === 2 ? 'stereo' : t.channels + ' channels');
  return parts.join(' ');
}

function pair(name, value) {
  return element('div', {}, element('dt', {}, name), element('dd', {}, String(value)));
}

function card(s, now) {
  const viewers = Object.entries(s.viewers || {}).filter(([, n]) => n > 0).map(([p, n]) => n + ' ' + p.toUpperCase());
  const links = element('div', { class: 'links' },
    element('a', { href: s.urls.page }, 'Watch'),
    element('a', { href: s.urls.hls }, 'HLS'),
    element('a', { href: s.urls.flv }, 'HTTP-FLV'));
  if (s.urls.rtsp) links.append(element('span', {}, 'RTSP ', element('code', {}, s.urls.rtsp)));
  if (s.urls.rtmp) links.append(element('span', {}, 'RTMP ', element('code', {}, s.urls.rtmp)));
  const item = element('li', { class: 'stream' },
    element('div', { class: 'top' },
      element('h2', {}, element('a', { href: s.urls.page }, s.name)),
      element('span', { class: 'state state-' + s.state }, s.state),
      element('span', { class: 'quiet' }, 'for ' + age(s.since))),
    element('dl', {},
      pair('Rate in', bits(rate(s, now))),
      pair('Tracks', (s.tracks || []).map(track).join(', ') || '–'),
      pair('Viewers', viewers.join(', ') || 'none'),
      pair('From', s.source || '–'),
      pair('Lost', s.droppedMessages + s.gaps === 0 ? 'nothing' : s.droppedMessages + ' dropped, ' + s.gaps + ' gaps')),
    links);
  if (s.error) item.append(element('p', { class: 'error' }, s.error));
  return item;
}

// play shows the first stream that is on air in a player of its own; it stays
// as long as that stream is there.
let playing = null;
function play(stream) {
  if (playing || !stream) return;
  playing = stream.name;
  $('player').replaceChildren(element('iframe', { src: stream.urls.page + '?embed', title: 'Player of ' + stream.name, allow: 'autoplay; fullscreen' }));
  $('player').hidden = false;
}

function show(node, page) {
  $('node').textContent = node.version + ' · up ' + age(node.started);
  $('listeners').textContent = Object.entries(node.listeners || {}).map(([k, v]) => k + ' ' + v).join(' · ');
  const now = performance.now();
  // Replacing the list would take the keyboard's focus with it.
  const focused = document.activeElement && document.activeElement.href;
  $('streams').replaceChildren(...page.items.map((s) => card(s, now)));
  if (focused) [...$('streams').querySelectorAll('a')].find((a) => a.href === focused)?.focus();
  play(page.items.find((s) => s.state === 'live'));
  const live = page.items.filter((s) => s.state === 'live').length;
  const text = page.itemCount === 0 ? '' : live + ' of ' + page.itemCount + (page.itemCount === 1 ? ' stream' : ' streams') + ' on air';
  if ($('summary').textContent !== text) $('summary').textContent = text;
  $('empty').hidden = page.itemCount > 0;
  const to = node.rtmp || 'rtmp://HOST:1935/live';
  $('push').textContent = 'ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=25 -f lavfi -i sine -c:v libx264 -preset veryfast -pix_fmt yuv420p -g 50 -c:a aac -f flv ' + to + '/camera';
  $('obs').textContent = to;
}

async function refresh() {
  try {
    const [node, page] = await Promise.all(['/api/v1/node', '/api/v1/streams?itemsPerPage=1000'].map(async (url) => {
      const answer = await fetch(url);
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    }));
    show(node, page);
  } catch {
    $('summary').textContent = 'The node does not answer. Trying again…';
  }
  setTimeout(refresh, document.hidden ? 10000 : 2000);
}

refresh();
