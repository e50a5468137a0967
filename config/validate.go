package config

import (
	"path"
	"slices"
	"strings"

	"github.com/ringcast/ringcast/packager"
)

// SourceForms says what a source can be.
const SourceForms = "file.flv, file.mp4, file.ts, http(s)://…/x.flv, rtmp://…, rtsp://…, test:"

// validate checks what concerns several settings at once.
func (l *Loaded) validate() error {
	if l.HLS.SegmentMin > l.HLS.TargetDuration {
		return &Error{
			Key: "hls.segmentMin", Value: l.HLS.SegmentMin.String(), Problem: "is longer than hls.targetDuration",
			Allowed: "up to " + l.HLS.TargetDuration.String(), Origin: l.blame("hls.segmentMin", "hls.targetDuration"),
		}
	}
	if l.HLS.SeparateAudio && l.HLS.Variant != "fmp4" {
		return &Error{
			Key: "hls.separateAudio", Value: "true", Problem: "is not possible with hls.variant " + l.HLS.Variant,
			Allowed: "true with hls.variant fmp4", Origin: l.blame("hls.separateAudio", "hls.variant"),
		}
	}
	if (l.Publish.User == "") != (l.Publish.Password == "") {
		return &Error{
			Key: "publish.user", Value: l.Publish.User, Problem: "goes together with publish.password",
			Allowed: "both or neither", Origin: l.blame("publish.user", "publish.password"),
		}
	}
	if strings.ContainsAny(l.Publish.User, "&?=:/@ ") {
		return &Error{Key: "publish.user", Value: l.Publish.User, Problem: "can't be part of a URL", Allowed: "a name without & ? = : / @ and spaces", Origin: l.Origin("publish.user")}
	}
	if l.RTMP.TLSListen != "" && (l.RTMP.TLSCertificate == "" || l.RTMP.TLSKey == "") {
		return l.bad("rtmp.tlsListen", l.RTMP.TLSListen, "needs a certificate and its key", "with rtmp.tlsCertificate and rtmp.tlsKey")
	}
	if l.HTTP.TLSListen != "" && (l.HTTP.TLSCertificate == "" || l.HTTP.TLSKey == "") {
		return l.bad("http.tlsListen", l.HTTP.TLSListen, "needs a certificate and its key", "with http.tlsCertificate and http.tlsKey")
	}
	if err := l.validateNetwork(); err != nil {
		return err
	}
	short := Stream{Name: l.Stream, Source: l.Source}
	if short.Name == "" {
		short.Name = "stream" // the command chooses one
	}
	if err := short.validate(); err != nil {
		e, ok := err.(*Error)
		if ok {
			e.Key = map[string]string{"name": "stream", "source": "source"}[e.Key]
			e.Origin = l.Origin(e.Key)
		}
		return err
	}
	return l.checkNames()
}

// checkNames makes sure that no stream is described twice.
func (l *Loaded) checkNames() error {
	seen := make(map[string]bool)
	for _, st := range l.AllStreams() {
		clean, err := packager.CleanStreamPath(st.Name)
		if err != nil {
			continue // the command chooses a name
		}
		if seen[clean] {
			return &Error{Key: "streams", Value: st.Name, Problem: "is described twice", Allowed: "each stream once", Origin: l.blame("streams", "stream")}
		}
		seen[clean] = true
	}
	return nil
}

// blame returns the origin of the first of the settings that somebody set.
func (l *Loaded) blame(keys ...string) Origin {
	for _, key := range keys {
		if o := l.Origin(key); !o.IsDefault() {
			return o
		}
	}
	return Origin{}
}

// validate checks one stream; the key of the error is relative.
func (s *Stream) validate() error {
	if _, err := packager.CleanStreamPath(s.Name); err != nil {
		return &Error{Key: "name", Value: s.Name, Problem: "is impossible: " + err.Error(), Allowed: "a path such as live/camera"}
	}
	if s.Source != "" && SourceKind(s.Source) == "" {
		return &Error{Key: "source", Value: PublicSource(s.Source), Problem: "is not a source that ringcast can read", Allowed: SourceForms}
	}
	return nil
}

// SourceKind tells how a source is read: "test", "file", "http", "rtmp" or
// "rtsp"; it is empty if it cannot be.
func SourceKind(source string) string {
	scheme, _, hasScheme := strings.Cut(source, "://")
	switch {
	case source == "test:":
		return "test"
	case hasScheme && slices.Contains([]string{"http", "https"}, scheme):
		return "http"
	case hasScheme && slices.Contains([]string{"rtmp", "rtmps"}, scheme):
		return "rtmp"
	case hasScheme && slices.Contains([]string{"rtsp", "rtsps"}, scheme):
		return "rtsp"
	case hasScheme && scheme != "file":
		return ""
	}
	switch strings.ToLower(path.Ext(source)) {
	case ".flv", ".mp4", ".m4v", ".mov", ".ts", ".m2ts":
		return "file"
	}
	return ""
}

// PublicSource cuts user information and query, which may hold secrets, off
// the URL of a source.
func PublicSource(source string) string {
	source, _, _ = strings.Cut(source, "?")
	scheme, rest, ok := strings.Cut(source, "://")
	if !ok {
		return source
	}
	if _, host, found := strings.Cut(rest, "@"); found {
		rest = host
	}
	return scheme + "://" + rest
}
