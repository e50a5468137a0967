package web

import (
	"net"
	"net/http"
	"net/http/pprof"
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
			s.refuseHost(w)
			return
		}
		s.route(w, r)
	})
}

func (s *Server) refuseHost(w http.ResponseWriter) {
	s.counts.refusedHosts.Add(1)
	http.Error(w, "this node is not known by that name; see http.hosts in its configuration", http.StatusMisdirectedRequest)
}

// hostName is the name or address in a Host header, in lower case.
func hostName(hostport string) string {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// knownHost reports whether a request on loopback may carry this Host.
func (s *Server) knownHost(hostport string) bool {
	host := hostName(hostport)
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsLoopback() {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(s.config.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// privateName reports whether a name cannot be one that a stranger has
// registered and leads here (DNS rebinding): an address, a name without a dot,
// or one below a domain of local networks.
func privateName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") {
		return host != ""
	}
	for _, domain := range []string{".local", ".internal", ".home.arpa"} {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

// route finds the handler of a path. Names of our own come first; the rest
// are streams.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	p := r.URL.Path
	switch {
	case p == "/" || p == "/metrics" || p == "/api" || strings.HasPrefix(p, "/api/"):
		s.admin(w, r)
	case p == "/healthz":
		s.simple(w, r, s.health)
	case p == "/readyz":
		s.simple(w, r, s.ready)
	case strings.HasPrefix(p, pprofPath):
		s.pprof(w, r)
	case strings.HasPrefix(p, "/assets/"):
		s.asset(w, r, strings.TrimPrefix(p, "/assets/"))
	case p == "/favicon.ico":
		s.asset(w, r, "icon.svg")
	default:
		s.media(w, r)
	}
}

// admin serves what is for the node's operators.
func (s *Server) admin(w http.ResponseWriter, r *http.Request) {
	if s.config.Access != nil && !s.config.Access.Allows(r) {
		s.counts.refusedClients.Add(1)
		w.Header().Set("Cache-Control", "no-store")
		const text = "not for clients from this network; see http.admin in the node's configuration"
		if strings.HasPrefix(r.URL.Path, "/api") {
			writeJSON(w, http.StatusForbidden, apiError{text})
			return
		}
		http.Error(w, text, http.StatusForbidden)
		return
	}
	// A page that is open in a browser of this network must not reach the API
	// by a name of its own. Metrics hold nothing that it could use.
	if r.URL.Path != "/metrics" && !s.knownHost(r.Host) && !privateName(hostName(r.Host)) {
		s.refuseHost(w)
		return
	}
	switch p := r.URL.Path; {
	case p == "/":
		s.page(w, r, "dashboard.html")
	case p == "/metrics":
		s.simple(w, r, s.metrics)
	case p == "/api/v1/events":
		s.get(w, r, func() { s.events(w, r) })
	case p == "/api/v1/groups" || strings.HasPrefix(p, "/api/v1/groups/"):
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pageTimeout))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		s.apiGroups(w, r, strings.TrimPrefix(p, "/api/v1/groups"))
	default:
		s.simple(w, r, s.api)
	}
}

// pprofPath is where profiles of the process are.
const pprofPath = "/debug/pprof/"

// pprof serves profiles, if that is on, to clients on this machine: a profile
// stops the world for a moment and shows what is in memory.
func (s *Server) pprof(w http.ResponseWriter, r *http.Request) {
	if !s.config.Pprof || isForwarded(r) || !clientAddr(r).IsLoopback() || !s.knownHost(r.Host) {
		http.NotFound(w, r)
		return
	}
	switch strings.TrimPrefix(r.URL.Path, pprofPath) {
	case "cmdline":
		http.NotFound(w, r) // secrets may stand in it
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
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
