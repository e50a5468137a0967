package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// The pages and scripts. dist holds what make fetches by npm; in a plain build
// there is only a README in it.
//
//go:embed ui/static ui/dist
var embedded embed.FS

// asset is one embedded file.
type asset struct {
	body        []byte
	contentType string
	etag        string
}

// hlsScript is the name of hls.js among the assets.
const hlsScript = "hls.min.js"

// hlsTag marks the line of player.html that loads hls.js. It is taken out if
// the binary was built without it.
const hlsTag = `<script src="/assets/` + hlsScript + `"></script>`

// loadAssets reads the embedded files, by base name.
func loadAssets() (map[string]asset, error) {
	assets := make(map[string]asset)
	err := fs.WalkDir(embedded, "ui", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		base := path.Base(name)
		contentType := mime.TypeByExtension(path.Ext(base))
		if path.Ext(base) == ".js" {
			contentType = "text/javascript; charset=utf-8"
		}
		if contentType == "" {
			contentType = "text/plain; charset=utf-8"
		}
		assets[base] = newAsset(body, contentType)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read embedded pages: %w", err)
	}
	if _, ok := assets[hlsScript]; !ok {
		page := assets["player.html"]
		assets["player.html"] = newAsset(bytes.Replace(page.body, []byte(hlsTag), nil, 1), page.contentType)
	}
	return assets, nil
}

func newAsset(body []byte, contentType string) asset {
	sum := sha256.Sum256(body)
	return asset{body, contentType, `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// asset serves an embedded file by its base name.
func (s *Server) asset(w http.ResponseWriter, r *http.Request, name string) {
	a, ok := s.assets[name]
	s.simple(w, r, func(w http.ResponseWriter, r *http.Request) {
		if !ok || strings.HasSuffix(name, ".html") {
			http.NotFound(w, r)
			return
		}
		a.serve(w, r)
	})
}

// page serves a page of our own: it may load nothing from anywhere else.
func (s *Server) page(w http.ResponseWriter, r *http.Request, name string) {
	s.simple(w, r, func(w http.ResponseWriter, r *http.Request) {
		policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
			"media-src 'self' blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
		if name != "player.html" { // the player may be put into other pages
			policy += "; frame-src 'self'; frame-ancestors 'none'"
		}
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		s.assets[name].serve(w, r)
	})
}

func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}
