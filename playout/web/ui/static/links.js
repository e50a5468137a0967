'use strict';

// Lists the addresses of the page's stream for other players, each with a
// button that copies it.

(() => {
  const list = document.getElementById('links');
  const said = document.getElementById('copied');
  const name = decodeURIComponent(location.pathname.replace(/^\/|\/$/g, ''));
  const loopback = (host) => ['localhost', '127.0.0.1', '[::1]'].includes(host) || host.endsWith('.localhost');

  // absolute makes a link work where this page was opened: what the node calls
  // by a loopback address has the page's host if that is another one.
  function absolute(link) {
    if (link.startsWith('/')) return location.origin + link;
    const host = /^[a-z]+:\/\/(\[[^\]]*\]|[^:/]*)/.exec(link);
    if (host && loopback(host[1]) && !loopback(location.hostname)) return link.replace(host[1], location.hostname);
    return link;
  }

  async function copy(what, link) {
    try {
      await navigator.clipboard.writeText(link);
      said.textContent = what + ' address copied.';
    } catch { // a page that is not on loopback or HTTPS has no clipboard
      getSelection().selectAllChildren(document.getElementById('link-' + what));
      said.textContent = document.execCommand('copy') ? what + ' address copied.' : 'Press Ctrl+C to copy the ' + what + ' address.';
    }
  }

  function row(what, link) {
    const label = document.createElement('span');
    label.textContent = what;
    const text = document.createElement('code');
    text.id = 'link-' + what;
    text.textContent = link;
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', 'Copy the ' + what + ' address');
    button.addEventListener('click', () => copy(what, link));
    const item = document.createElement('li');
    item.append(label, text, button);
    return item;
  }

  async function show() {
    let urls = { hls: location.pathname + 'index.m3u8' };
    try {
      const answer = await fetch('/api/v1/streams/' + name.split('/').map(encodeURIComponent).join('/'));
      if (answer.ok) urls = (await answer.json()).urls;
      else if (answer.status === 404) setTimeout(show, 5000); // not on air yet
    } catch {
      setTimeout(show, 5000);
    }
    const kinds = [['HLS', urls.hls], ['RTSP', urls.rtsp], ['HTTP-FLV', urls.flv], ['RTMP', urls.rtmp]];
    list.replaceChildren(...kinds.filter(([, link]) => link).map(([what, link]) => row(what, absolute(link))));
  }

  show();
})();
