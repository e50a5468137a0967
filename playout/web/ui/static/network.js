'use strict';

// The group's part of the dashboard: the ring with its links and who pushes
// what to whom, where the stream comes from, the neighbors, and events as they
// come. Pictures are SVG with attributes, since the page allows no inline
// styles. What a picture shows stands in words or in the table too.

(() => {
  const get = (id) => document.getElementById(id);
  const svgNS = 'http://www.w3.org/2000/svg';
  const colors = ['#e4572e', '#f3a712', '#a8c256', '#2a9d8f', '#29a3d1', '#5e60ce', '#b5179e', '#8d6e63'];
  const history = []; // {at, pushed, pulled, native, server, sent} in bit/s
  const keep = 60;
  let last = null; // counters of the look before
  let chosen = null; // ID of the group that is shown

  function html(tag, attributes = {}, ...children) {
    const e = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
    e.append(...children);
    return e;
  }

  function svg(tag, attributes = {}, ...children) {
    const e = document.createElementNS(svgNS, tag);
    for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
    e.append(...children);
    return e;
  }

  async function ask(url) {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  }

  // turn is how far around the ring an address is, 0 to 1.
  const turn = (address) => parseInt(address.slice(0, 8), 16) / 2 ** 32;

  function place(address, radius) {
    const a = 2 * Math.PI * turn(address) - Math.PI / 2;
    return [Math.cos(a) * radius, Math.sin(a) * radius];
  }

  // arc is a curve between two places on the ring, bent towards the middle; each
  // slice is bent a bit differently, so that they lie side by side.
  function arc(from, to, slice) {
    const pull = 0.25 + slice * 0.06;
    const mx = (from[0] + to[0]) / 2 * pull;
    const my = (from[1] + to[1]) / 2 * pull;
    return `M${from[0].toFixed(1)} ${from[1].toFixed(1)}Q${mx.toFixed(1)} ${my.toFixed(1)} ${to[0].toFixed(1)} ${to[1].toFixed(1)}`;
  }

  const all = (n, which) => [...new Set((n.streams || []).flatMap((s) => s[which]))].sort();

  function drawRing(group, neighbors) {
    const radius = 150;
    const self = place(group.address, radius);
    const lines = svg('g', {});
    const dots = svg('g', {});
    for (const n of neighbors) {
      const at = place(n.address, radius);
      lines.append(svg('line', { x1: self[0], y1: self[1], x2: at[0], y2: at[1], class: n.suspect ? 'link suspect' : n.relayed ? 'link relayed' : 'link' }));
      for (const slice of all(n, 'from')) {
        lines.append(svg('path', { d: arc(at, self, slice), class: 'push in', stroke: colors[slice], 'marker-end': `url(#tip${slice})` }));
      }
      for (const slice of all(n, 'to')) {
        lines.append(svg('path', { d: arc(self, at, slice), class: 'push out', stroke: colors[slice], 'marker-end': `url(#tip${slice})` }));
      }
      dots.append(svg('circle', { cx: at[0], cy: at[1], r: n.side ? 7 : 5, class: n.suspect ? 'peer suspect' : n.side ? 'peer near' : 'peer' },
        svg('title', {}, `${n.peerID.slice(0, 16)}, ${roundTrip(n)}`)));
    }
    dots.append(svg('circle', { cx: self[0], cy: self[1], r: 9, class: 'self' }, svg('title', {}, 'this node')));
    const tips = svg('defs', {}, ...colors.map((c, i) => svg('marker', { id: 'tip' + i, viewBox: '0 0 8 8', refX: 12, refY: 4, markerWidth: 5, markerHeight: 5, orient: 'auto-start-reverse' },
      svg('path', { d: 'M0 0L8 4L0 8z', fill: c }))));
    const picture = get('ring');
    picture.replaceChildren(tips, svg('circle', { cx: 0, cy: 0, r: radius, class: 'orbit' }), lines, dots);
    const from = neighbors.filter((n) => all(n, 'from').length).length;
    const to = neighbors.filter((n) => all(n, 'to').length).length;
    const words = `This node and its ${neighbors.length} neighbors on the ring of about ${Math.round(group.estimatedMembers)} members; ${from} push to it, it pushes to ${to}.`;
    picture.setAttribute('aria-label', words);
    get('ring-words').textContent = words;
  }

  function legend() {
    get('legend').replaceChildren(...colors.map((c, i) => html('li', {},
      svg('svg', { viewBox: '0 0 12 12', width: 12, height: 12, 'aria-hidden': 'true' }, svg('circle', { cx: 6, cy: 6, r: 5, fill: c })), ' slice ' + i)));
  }

  // sum adds a counter over the streams of the group.
  const sum = (streams, name) => streams.reduce((n, s) => n + (s.multicast ? s.multicast[name] : 0), 0);

  function measure(streams) {
    const now = { at: performance.now() };
    for (const [key, name] of Object.entries({
      pushed: 'bytesPushedFromPeers', pulled: 'bytesRequestedFromPeers', native: 'bytesReceivedFromIPMulticast', server: 'bytesReceivedFromServer',
    })) now[key] = sum(streams, name);
    now.sent = sum(streams, 'bytesPushedToPeers') + sum(streams, 'bytesRequestedByPeers');
    if (last && now.at > last.at + 200) {
      const seconds = (now.at - last.at) / 1000;
      const point = {};
      for (const key of ['pushed', 'pulled', 'native', 'server', 'sent']) point[key] = Math.max(0, (now[key] - last[key]) * 8 / seconds);
      history.push(point);
      if (history.length > keep) history.shift();
    }
    last = now;
  }

  const kinds = [['pushed', 'pushed by peers'], ['pulled', 'pulled from peers'], ['native', 'native multicast'], ['server', 'from servers']];

  const mega = (bits) => (bits / 1e6).toFixed(2) + ' Mbit/s';

  function drawRates() {
    const width = 300;
    const height = 120;
    const top = Math.max(1e5, ...history.map((p) => Math.max(p.sent, kinds.reduce((n, [k]) => n + p[k], 0)))) * 1.1;
    const x = (i) => width - (history.length - 1 - i) * (width / (keep - 1));
    const y = (v) => height - v / top * height;
    const layers = [];
    let base = history.map(() => 0);
    for (const [key] of kinds) {
      const upper = history.map((p, i) => base[i] + p[key]);
      const points = upper.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).concat(base.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`).reverse());
      layers.push(svg('polygon', { points: points.join(' '), class: 'area ' + key }));
      base = upper;
    }
    layers.push(svg('polyline', { points: history.map((p, i) => `${x(i).toFixed(1)},${y(p.sent).toFixed(1)}`).join(' '), class: 'sent' }));
    get('rates').replaceChildren(...layers);
    get('rates-top').textContent = mega(top);
    const now = history[history.length - 1];
    const words = now ? kinds.filter(([k]) => now[k] > 0).map(([k, name]) => `${name} ${mega(now[k])}`).concat(`sent to peers ${mega(now.sent)}`).join(', ') : 'measuring…';
    get('rates').setAttribute('aria-label', words);
    get('rates-words').textContent = words;
  }

  function pair(name, value) {
    return html('div', {}, html('dt', {}, name), html('dd', {}, value));
  }

  function drawStreams(streams) {
    get('windows').replaceChildren(...streams.map((s) => {
      const m = s.multicast;
      const bar = html('meter', { min: 0, max: 1, low: 0.9, high: 0.99, optimum: 1, value: m.windowFill, 'aria-label': 'window of ' + s.name });
      return html('div', { class: 'window' }, html('h4', {}, s.name), bar, html('dl', {},
        pair('Window', (100 * m.windowFill).toFixed(1) + ' %'), pair('Holes', `${m.holes}, ${m.pullsInFlight} asked for`),
        pair('Behind publisher', m.publishing ? 'is the publisher' : (m.delaySeconds < 1 ? Math.round(m.delaySeconds * 1000) + ' ms' : m.delaySeconds.toFixed(2) + ' s')),
        pair('Parents', `${m.owners} of 8 slices`), pair('Children', `${m.children} of ${m.slots} slots`),
        pair('Upload queue', Math.round(m.queueSeconds * 1000) + ' ms')));
    }));
  }

  const roundTrip = (n) => n.rttMilliseconds > 0 ? n.rttMilliseconds.toFixed(1) + ' ms' : 'not known';

  function marks(slices) {
    return html('span', { class: 'marks' }, ...slices.map((i) => html('span', { class: 'slice slice' + i, title: 'slice ' + i }, String(i))));
  }

  function drawTable(neighbors) {
    get('neighbors').replaceChildren(...neighbors.map((n) => {
      const words = [n.suspect && 'suspect', n.relayed && 'relayed', !n.extensions && 'plain', n.outbound ? 'outbound' : 'inbound'].filter(Boolean);
      return html('tr', {},
        html('th', { scope: 'row' }, html('code', { title: n.peerID }, n.peerID.slice(0, 12))),
        html('td', {}, n.side ? (n.side > 0 ? '+' : '') + n.side : ''),
        html('td', { class: 'number' }, roundTrip(n)),
        html('td', {}, marks(all(n, 'from'))), html('td', {}, marks(all(n, 'to'))),
        html('td', {}, words.join(', ')), html('td', {}, html('code', {}, n.remote || '')));
    }));
  }

  const countOf = (n, noun) => n + ' ' + noun + (n === 1 ? '' : 's');

  function drawGroup(group) {
    const up = group.introducers.filter((i) => i.up).length;
    get('group-words').textContent = `${group.name || 'unnamed'}: about ${countOf(Math.round(group.estimatedMembers), 'member')}, ${countOf(group.neighborCount, 'neighbor')}, ` +
      `${group.heard} heard of, ${group.introducers.length ? up + ' of ' + group.introducers.length + ' introducers answer' : 'no introducer needed'}` +
      (group.ready ? '' : ', still finding its place');
  }

  function shareLink(node) {
    get('share').hidden = !node.link;
    if (node.link) get('share-link').textContent = "ringcast play '" + node.link + "'";
  }

  get('share-copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(get('share-link').textContent);
      get('share-said').textContent = 'Copied.';
    } catch {
      get('share-said').textContent = 'Mark the line and copy it by hand.';
    }
  });

  async function refresh() {
    try {
      const [node, groups, streams] = await Promise.all([ask('/api/v1/node'), ask('/api/v1/groups'), ask('/api/v1/streams?itemsPerPage=1000')]);
      const group = groups.items.find((g) => g.id === chosen) || groups.items[0];
      get('network').hidden = !group;
      shareLink(node);
      if (group) {
        chosen = group.id;
        const neighbors = (await ask(`/api/v1/groups/${group.id}/neighbors?itemsPerPage=1000`)).items;
        const own = streams.items.filter((s) => s.multicast && s.group === group.id);
        drawGroup(group);
        drawRing(group, neighbors);
        measure(own);
        drawRates();
        drawStreams(own);
        drawTable(neighbors);
      }
    } catch {
      // The other half of the page says that the node does not answer.
    }
    setTimeout(refresh, document.hidden ? 10000 : 2000);
  }

  // A message is whatever JSON its sender has made; chats say what they say as text.
  function words(message) {
    if (message && typeof message === 'object') message = typeof message.text === 'string' ? message.text : JSON.stringify(message);
    return String(message ?? '').slice(0, 200);
  }

  // Events come by themselves; the newest stand first.
  function listen() {
    const source = new EventSource('/api/v1/events');
    const seen = (message) => {
      const e = JSON.parse(message.data);
      const what = [e.stream, e.peerID && e.peerID.slice(0, 12), words(e.message)].filter(Boolean).join(' ');
      get('quiet').hidden = true;
      get('events').prepend(html('li', {}, html('time', { datetime: e.time }, new Date(e.time).toLocaleTimeString()), ' ', html('code', {}, e.code), ' ', what));
      while (get('events').childElementCount > 50) get('events').lastElementChild.remove();
    };
    for (const code of ['NetGroup.Neighbor.Connect', 'NetGroup.Neighbor.Disconnect', 'NetGroup.LocalCoverage.Notify', 'NetGroup.Posting.Notify', 'NetGroup.SendTo.Notify',
      'NetGroup.MulticastStream.PublishNotify', 'NetGroup.MulticastStream.UnpublishNotify', 'NetStream.MulticastStream.Reset', 'NetStream.Play.PublishNotify',
      'NetStream.Play.UnpublishNotify', 'NetGroup.Replication.Fetch.Result', 'NetGroup.Replication.Request']) source.addEventListener(code, seen);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 10000); // a node without a group has none
    };
  }

  legend();
  refresh();
  listen();
})();
