package main

import (
	"os"
	"regexp"
	"testing"

	"github.com/ringcast/ringcast/config"
	"github.com/ringcast/ringcast/overlay/sharelink"
)

// TestComposeLink: the link that stands in docker-compose.yml leads into the
// group that its publisher makes.
func TestComposeLink(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	link, err := sharelink.Parse(regexp.MustCompile(`rtmfp://\S+`).FindString(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(config.Sources{Command: "publish", Defaults: map[string]string{"group.name": "demo", "group.unique": "false"}})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := ownGroup(loaded, "live/demo")
	if err != nil {
		t.Fatal(err)
	}
	if link.Spec.ID() != spec.ID() || link.Stream != groupName("live/demo") {
		t.Errorf("link leads to %v, %s; the publisher makes %v", link.Spec, link.Stream, spec)
	}
}
