package main

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/overlay/groupspec"
	"github.com/ringcast/ringcast/rtmfp/keyfile"
)

// checkFiles checks what the settings name but do not hold: the identity,
// certificates, source files, and whether a password is the group's.
func checkFiles(loaded *config.Loaded) error {
	if name := loaded.RTMFP.Identity; name != "" {
		_, err := keyfile.Load(name)
		if errors.Is(err, fs.ErrNotExist) { // it will be made
			_, err = os.Stat(filepath.Dir(name))
		}
		if err != nil {
			return identityError(loaded, err)
		}
	}
	for _, pair := range certificatePairs(&loaded.Config) {
		if _, err := pair.load(); err != nil {
			return pair.error(loaded, err)
		}
	}
	for _, s := range loaded.AllStreams() {
		if config.SourceKind(s.Source) != "file" {
			continue
		}
		_, err := newSource(s)
		if err == nil {
			_, err = os.Stat(strings.TrimPrefix(s.Source, "file://"))
		}
		if err != nil {
			return usageError(fmt.Errorf("source: %w; set by %s", err, sourceOrigin(loaded, s)))
		}
	}
	_, err := ownGroup(loaded, defaultStream)
	return err
}

// sourceOrigin says where the source of a stream was set.
func sourceOrigin(loaded *config.Loaded, s config.Stream) config.Origin {
	if s.Source == loaded.Source {
		return loaded.Origin("source")
	}
	return loaded.Origin("streams")
}

// certificatePair is a certificate and its key, as settings name them.
type certificatePair struct {
	section string // "rtmp" or "http"
	cert    string
	key     string
}

// certificatePairs lists the certificates of the listeners that need one.
func certificatePairs(c *config.Config) []certificatePair {
	var all []certificatePair
	if c.RTMP.TLSListen != "" {
		all = append(all, certificatePair{"rtmp", c.RTMP.TLSCertificate, c.RTMP.TLSKey})
	}
	if c.HTTP.TLSListen != "" {
		all = append(all, certificatePair{"http", c.HTTP.TLSCertificate, c.HTTP.TLSKey})
	}
	return all
}

func (p *certificatePair) load() (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(p.cert, p.key)
	return &c, err
}

func (p *certificatePair) error(loaded *config.Loaded, err error) error {
	key := p.section + ".tlsCertificate"
	return usageError(fmt.Errorf("%s and %s.tlsKey: %w; set by %s", key, p.section, err, loaded.Origin(key)))
}

// identityError says what is wrong with the identity file: what it holds is a
// matter of configuration, whether it can be read or written one of permissions,
// and a disk that is full of neither.
func identityError(loaded *config.Loaded, err error) error {
	err = fmt.Errorf("rtmfp.identity: %w; set by %s", err, loaded.Origin("rtmfp.identity"))
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &statusError{exitAddress, err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO):
		return &statusError{exitFailure, err}
	}
	return usageError(err)
}

// ownGroup makes or reads the groupspec of the node's own group; stream names a
// group that has no name.
func ownGroup(loaded *config.Loaded, stream string) (*groupspec.Spec, error) {
	g := &loaded.Group
	s := groupspec.Settings{
		Name: g.Name, Routing: true, Multicast: true, ObjectReplication: true, Posting: true,
		ServerChannel: g.ServerChannel && g.PeerToPeer, PeerToPeerDisabled: !g.PeerToPeer, MemberUpdates: true,
	}
	if s.Name == "" {
		s.Name = stream
	}
	for _, text := range g.IPMulticast {
		a, err := groupspec.ParseAddress(text)
		if err != nil {
			return nil, configError(loaded, "group.ipMulticast", text, err)
		}
		s.Addresses = append(s.Addresses, a)
	}
	for _, text := range g.BootstrapPeers {
		id, err := parsePeerID(text)
		if err != nil {
			return nil, configError(loaded, "group.bootstrapPeers", text, err)
		}
		s.BootstrapPeers = append(s.BootstrapPeers, id)
	}
	if g.Spec != "" {
		return givenGroup(loaded, &s)
	}
	if g.Unique {
		if err := s.MakeUnique(rand.Reader); err != nil {
			return nil, err
		}
	}
	s.SetPublishPassword(g.PublishPassword, "")
	s.SetPostPassword(g.PostingPassword, "")
	return groupspec.New(s)
}

// givenGroup reads the groupspec of the settings and adds what they have beside
// it: passwords, native multicast addresses and bootstrap peers. Passwords must
// be the group's.
func givenGroup(loaded *config.Loaded, own *groupspec.Settings) (*groupspec.Spec, error) {
	g := &loaded.Group
	spec, err := groupspec.Parse(g.Spec)
	if err != nil {
		return nil, usageError(fmt.Errorf("group.spec: %w; set by %s", err, loaded.Origin("group.spec")))
	}
	s := spec.Settings()
	var more []string
	for _, p := range []struct {
		key, password string
		verifier      *groupspec.Verifier
		encode        func(string) string
	}{
		{"group.publishPassword", g.PublishPassword, s.Publish, groupspec.EncodePublishAuthorization},
		{"group.postingPassword", g.PostingPassword, s.Post, groupspec.EncodePostAuthorization},
	} {
		switch {
		case p.password == "":
			continue
		case p.verifier == nil:
			return nil, usageError(fmt.Errorf("%s: the group of group.spec has no such password; set by %s", p.key, loaded.Origin(p.key)))
		case !p.verifier.Check(p.password):
			return nil, &statusError{exitAuth, fmt.Errorf("%s: is not the password of the group of group.spec; set by %s", p.key, loaded.Origin(p.key))}
		}
		more = append(more, p.encode(p.password))
	}
	for _, a := range own.Addresses {
		more = append(more, groupspec.EncodeAddress(a))
	}
	for _, peer := range own.BootstrapPeers {
		more = append(more, groupspec.EncodeBootstrapPeer(peer))
	}
	return spec.With(more...)
}
