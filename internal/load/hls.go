package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// HLSViewer watches one stream the way a player does: it reads the
// multivariant playlist, follows the media playlists that belong together, and
// fetches every new segment, or with LowLatency every part as soon as it is
// there. It throws the media away.
type HLSViewer struct {
	URL        string
	LowLatency bool
	// Client carries the requests; viewers that share a transport share its
	// connection pool. Nil means one of its own.
	Client *http.Client
	// OnMedia, if set, sees each segment or part and when it had arrived. It
	// may keep nothing.
	OnMedia func(uri string, body []byte, at time.Time)

	// Media counts segments and parts, Failed the answers that were no 200.
	Media, Failed atomic.Int64
}

// NewHLSClient returns a client whose connection pool fits n viewers.
func NewHLSClient(n int) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 4*n, 4*n
	transport.DisableCompression = true
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// Run watches until ctx is done, which is not an error.
func (v *HLSViewer) Run(ctx context.Context) error {
	if v.Client == nil {
		v.Client = NewHLSClient(1)
		defer v.Client.CloseIdleConnections()
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	own := *v.Client
	own.Jar = jar
	master, err := v.fetch(ctx, &own, v.URL)
	if err != nil {
		return ignoreCancel(ctx, err)
	}
	playlists, err := renditions(v.URL, string(master))
	if err != nil {
		return err
	}
	done := make(chan error, len(playlists))
	for _, p := range playlists {
		go func() { done <- v.follow(ctx, &own, p) }()
	}
	for range playlists {
		err = errors.Join(err, <-done)
	}
	return ignoreCancel(ctx, err)
}

func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// follow reads one media playlist again and again.
func (v *HLSViewer) follow(ctx context.Context, client *http.Client, playlist string) error {
	seen := make(map[string]bool)
	mapURI, failures := "", 0
	ask := playlist
	for ctx.Err() == nil {
		body, err := v.fetch(ctx, client, ask)
		if err != nil {
			v.Failed.Add(1)
			if failures++; failures > 10 {
				return err
			}
			pause(ctx, 300*time.Millisecond)
			ask = playlist
			continue
		}
		failures = 0
		list := parseMedia(string(body))
		if list.initURI != "" && list.initURI != mapURI {
			mapURI = list.initURI
			if _, err := v.fetch(ctx, client, resolve(playlist, mapURI)); err != nil {
				v.Failed.Add(1)
			}
		}
		media := list.segments
		if v.LowLatency {
			media = list.parts
		}
		first := len(seen) == 0
		for i, uri := range media {
			if seen[uri] {
				continue
			}
			seen[uri] = true
			if first && i < len(media)-3 {
				continue // a player starts near the live edge
			}
			v.media(ctx, client, resolve(playlist, uri))
		}
		if list.ended {
			return nil
		}
		if v.LowLatency && list.blocking {
			ask = withQuery(playlist, list.nextMSN, list.nextPart)
			continue
		}
		pause(ctx, list.target)
	}
	return nil
}

func (v *HLSViewer) media(ctx context.Context, client *http.Client, uri string) {
	body, err := v.fetch(ctx, client, uri)
	if err != nil {
		if ctx.Err() == nil {
			v.Failed.Add(1)
		}
		return
	}
	v.Media.Add(1)
	if v.OnMedia != nil {
		v.OnMedia(uri, body, time.Now())
	}
}

func (v *HLSViewer) fetch(ctx context.Context, client *http.Client, uri string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, resp.Body)
		return nil, fmt.Errorf("GET %s: %s", uri, resp.Status)
	}
	if v.OnMedia == nil && !strings.Contains(resp.Header.Get("Content-Type"), "mpegurl") {
		_, err = io.Copy(io.Discard, resp.Body)
		return nil, err
	}
	return io.ReadAll(resp.Body)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

var audioRendition = regexp.MustCompile(`#EXT-X-MEDIA:.*TYPE="?AUDIO"?.*URI="([^"]+)"`)

// renditions returns the media playlists that a player of the first variant
// reads.
func renditions(base, master string) ([]string, error) {
	var found []string
	lines := strings.Split(master, "\n")
	for i, line := range lines {
		if m := audioRendition.FindStringSubmatch(line); m != nil && len(found) < 2 {
			found = append(found, resolve(base, m[1]))
		}
		if strings.HasPrefix(line, "#EXT-X-STREAM-INF") && i+1 < len(lines) {
			return append(found, resolve(base, strings.TrimSpace(lines[i+1]))), nil
		}
	}
	if strings.Contains(master, "#EXTINF") || strings.Contains(master, "#EXT-X-PART") {
		return []string{base}, nil
	}
	return nil, fmt.Errorf("%s lists no variant", base)
}

func resolve(base, ref string) string {
	b, err := url.Parse(base)
	if err != nil {
		return ref
	}
	u, err := b.Parse(ref)
	if err != nil {
		return ref
	}
	return u.String()
}

func withQuery(playlist string, msn, part int) string {
	u, err := url.Parse(playlist)
	if err != nil {
		return playlist
	}
	q := u.Query()
	q.Set("_HLS_msn", strconv.Itoa(msn))
	q.Set("_HLS_part", strconv.Itoa(part))
	u.RawQuery = q.Encode()
	return u.String()
}

type mediaPlaylist struct {
	segments, parts   []string
	initURI           string
	target            time.Duration
	blocking, ended   bool
	nextMSN, nextPart int
}

var uriAttribute = regexp.MustCompile(`URI="([^"]+)"`)

// parseMedia reads what a viewer needs; it is no checker.
func parseMedia(text string) mediaPlaylist {
	list := mediaPlaylist{target: 2 * time.Second}
	uri := func(line string) string {
		if m := uriAttribute.FindStringSubmatch(line); m != nil {
			return m[1]
		}
		return ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		tag, value, _ := strings.Cut(line, ":")
		switch {
		case tag == "#EXT-X-TARGETDURATION":
			n, _ := strconv.Atoi(value)
			list.target = time.Duration(max(n, 1)) * time.Second
		case tag == "#EXT-X-MEDIA-SEQUENCE":
			n, _ := strconv.Atoi(value)
			list.nextMSN += n
		case tag == "#EXT-X-MAP":
			list.initURI = uri(value)
		case tag == "#EXT-X-SERVER-CONTROL":
			list.blocking = strings.Contains(value, "CAN-BLOCK-RELOAD=YES")
		case tag == "#EXT-X-PART":
			list.parts = append(list.parts, uri(value))
			list.nextPart++
		case tag == "#EXT-X-ENDLIST":
			list.ended = true
		case line != "" && line[0] != '#':
			list.segments = append(list.segments, line)
			list.nextMSN++
			list.nextPart = 0
		}
	}
	return list
}
