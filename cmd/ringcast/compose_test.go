package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

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

// TestComposeCommands: the services of docker-compose.yml, as processes: each
// starts, and the viewers play what the publisher sends.
func TestComposeCommands(t *testing.T) {
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image   string
			Command []string
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	introducer := ""
	start := func(name string) *running {
		var args []string
		for _, arg := range file.Services[name].Command {
			arg = regexp.MustCompile(`0\.0\.0\.0:\d+`).ReplaceAllString(arg, "127.0.0.1:0")
			args = append(args, strings.ReplaceAll(arg, "introducer:1935", introducer))
		}
		return startExactly(t, nil, append(args, "--json", "--rtmfp-listen=127.0.0.1:0")...)
	}
	introducer = start("introducer").ready.RTMFP
	start("publisher")
	var viewers []string
	for name, service := range file.Services {
		if service.Image == "ringcast:latest" && len(service.Command) > 0 && service.Command[0] == "play" {
			viewers = append(viewers, name)
		}
	}
	if len(viewers) != 5 {
		t.Errorf("there are %d viewers, want 5", len(viewers))
	}
	slices.Sort(viewers)
	for _, name := range viewers[:2] {
		v := start(name)
		waitFor(t, name+" plays", func() bool { return v.hasStream("live/demo", "live") })
	}
}
