package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ringcast/ringcast/packager"
)

// Handler returns the handler of all routes. With checkHost, requests whose
// Host names neither loopback nor a configured host are refused.
func (s *Server) Handler(checkHost bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.counts.requests.Add(1)
		if checkHost && !s.knownHost(r.Host) {
			s.counts.refusedHosts.Add(1)
			http.Error(w, "this node is not known by that name; see http.hosts in its configuration", http.StatusMisdirectedRequest)
			return
		}
		s.route(w, r)
	})
}

// knownHost reports whether a request on loopback may carry this Host.
func (s *Server) knownHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsLoopback() {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(s.config.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// route finds the handler of a path. Names of our own come first; the rest
// are streams.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	p := r.URL.Path
	switch {
	case p == "/":
		s.page(w, r, "dashboard.html")
	case p == "/metrics":
		s.simple(w, r, s.metrics)
	case p == "/healthz":
		s.simple(w, r, s.health)
	case p == "/readyz":
		s.simple(w, r, s.ready)
	case p == "/api/v1/events":
		s.get(w, r, func() { s.events(w, r) })
	case p == "/api/v1/groups" || strings.HasPrefix(p, "/api/v1/groups/"):
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pageTimeout))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		s.apiGroups(w, r, strings.TrimPrefix(p, "/api/v1/groups"))
	case p == "/api" || strings.HasPrefix(p, "/api/"):
		s.simple(w, r, s.api)
	case strings.HasPrefix(p, "/assets/"):
		s.asset(w, r, strings.TrimPrefix(p, "/assets/"))
	case p == "/favicon.ico":
		s.asset(w, r, "icon.svg")
	default:
		s.media(w, r)
	}
}

// simple runs a handler that answers GET and HEAD, within pageTimeout.
func (s *Server) simple(w http.ResponseWriter, r *http.Request, handle http.HandlerFunc) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notAllowed(w, "GET, HEAD")
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pageTimeout))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	handle(w, r)
}

func notAllowed(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
}

// The kinds of paths below a stream.
type mediaKind uint8

const (
	mediaNone mediaKind = iota
	mediaPage
	mediaHLS
	mediaFLV
	mediaMoved // the path is an alias of another
)

// media serves what belongs to a stream: its page and its files.
func (s *Server) media(w http.ResponseWriter, r *http.Request) {
	setCORS(w.Header(), r)
	switch r.Method {
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodGet, http.MethodHead:
	default:
		notAllowed(w, "GET, HEAD, OPTIONS")
		return
	}
	kind, target := classify(r.URL.Path)
	switch {
	case kind == mediaPage:
		s.page(w, r, "player.html")
	case kind == mediaMoved:
		to := (&url.URL{Path: target, RawQuery: r.URL.RawQuery}).String()
		http.Redirect(w, r, to, http.StatusFound)
	case kind == mediaHLS && s.config.HLS != nil:
		serveAs(s.config.HLS, w, r, target)
	case kind == mediaFLV && s.config.FLV != nil:
		serveAs(s.config.FLV, w, r, target)
	default:
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "no such page", http.StatusNotFound)
	}
}

// serveAs passes a request on under the canonical path.
func serveAs(h http.Handler, w http.ResponseWriter, r *http.Request, target string) {
	if r.URL.Path != target {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = target, ""
	}
	h.ServeHTTP(w, r)
}

// classify says what a path outside the node's own names is, and where it
// leads: the canonical path of the file, or the target of an alias.
func classify(p string) (mediaKind, string) {
	dir, file := path.Split(p)
	ext := path.Ext(file)
	switch {
	case file == "":
		stream, err := packager.CleanStreamPath(dir)
		if err != nil {
			return mediaNone, ""
		}
		if canonical := "/" + stream + "/"; canonical != p {
			return mediaMoved, canonical
		}
		return mediaPage, p
	case ext == ".flv":
		stream, err := packager.CleanStreamPath(strings.TrimSuffix(p, ext))
		if err != nil {
			return mediaNone, ""
		}
		return mediaFLV, "/" + stream + ".flv"
	case isHLSFile(ext) && dir != "/":
		if ext == ".m3u8" && isAlias(dir, file) {
			break
		}
		stream, err := packager.CleanStreamPath(dir)
		if err != nil {
			return mediaNone, ""
		}
		return mediaHLS, "/" + stream + "/" + file
	case ext != "" && ext != ".m3u8":
		return mediaNone, ""
	}
	// live/STREAM.m3u8, and live/STREAM without its slash.
	stream, err := packager.CleanStreamPath(strings.TrimSuffix(p, ".m3u8"))
	if err != nil {
		return mediaNone, ""
	}
	if ext == ".m3u8" {
		return mediaMoved, "/" + stream + "/index.m3u8"
	}
	return mediaMoved, "/" + stream + "/"
}

// isAlias reports whether DIR/FILE.m3u8 stands for the stream DIR/FILE rather
// than for a playlist of the stream DIR: if DIR is the default application
// and FILE is not the name of a playlist that every stream has.
func isAlias(dir, file string) bool {
	return strings.Trim(dir, "/") == packager.DefaultApp && file != "index.m3u8"
}

func isHLSFile(ext string) bool {
	return slices.Contains([]string{".m3u8", ".m4s", ".mp4", ".ts"}, ext)
}

// setCORS lets pages of other hosts fetch media and see errors. A public page
// that asks for a node on a private network gets leave for that too.
func setCORS(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Content-Length, Content-Range, Age, Date")
	if r.Method != http.MethodOptions {
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Range")
	h.Set("Access-Control-Max-Age", "86400")
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
}
