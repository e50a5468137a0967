package main

import (
	"crypto/tls"
	"sync/atomic"

	"github.com/ringcast/ringcast/config"
)

// certificate is a listener's certificate, which a reload may replace.
type certificate struct {
	section string // "rtmp" or "http"
	current atomic.Pointer[tls.Certificate]
}

// loadCertificates reads the certificates of all listeners that need one, by
// section.
func loadCertificates(loaded *config.Loaded) (map[string]*tls.Certificate, error) {
	all := make(map[string]*tls.Certificate)
	for _, pair := range certificatePairs(&loaded.Config) {
		c, err := pair.load()
		if err != nil {
			return nil, pair.error(loaded, err)
		}
		all[pair.section] = c
	}
	return all, nil
}

// config returns settings for TLS that go with the certificate as it is at the
// time of each connection.
func (c *certificate) config(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
