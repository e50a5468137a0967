package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ringcast/ringcast/config"
)

// firstSettings are those that most people need of each command; they stand
// first in its help.
func firstSettings(command string) []string {
	listen := []string{"rtmp.listen", "rtmfp.listen", "rtsp.listen", "http.listen"}
	last := []string{"json", "log.level"}
	switch command {
	case "play":
		return slices.Concat([]string{"timeout", "exec", "multicast.uploadLimit"}, listen[1:], last)
	case "introducer":
		return slices.Concat([]string{"rtmfp.listen", "publicAddress", "rtmfp.identity", "seed", "multicast.uploadLimit", "http.listen"}, last)
	case "demo":
		return slices.Concat([]string{"peers", "source", "loop", "http.listen", "rtsp.listen", "rtmp.listen"}, last)
	}
	own := []string{"stream", "source", "loop", "publish.key", "introducer", "publicAddress"}
	shared := []string{"rtmfp.identity", "group.spec", "group.name", "multicast.uploadLimit", "play", "seed", "timeout", "exec"}
	return slices.Concat(own, listen, shared, last)
}

// nodeUsage prints the usage of a command that runs a node: the flags that most
// people need first, then the others by section.
func nodeUsage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", cmd.UseLine())
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	first := pflag.NewFlagSet("", pflag.ContinueOnError)
	sections := make(map[string]*pflag.FlagSet)
	var order []string
	seen := make(map[string]bool)
	add := func(section, flag string) {
		f := cmd.Flags().Lookup(flag)
		if f == nil || seen[flag] || f.Hidden {
			return
		}
		seen[flag] = true
		if section == "" {
			first.AddFlag(f)
			return
		}
		if sections[section] == nil {
			sections[section] = pflag.NewFlagSet("", pflag.ContinueOnError)
			sections[section].SortFlags = false
			order = append(order, section)
		}
		sections[section].AddFlag(f)
	}
	first.SortFlags = false
	table := config.Settings()
	for _, key := range firstSettings(cmd.Name()) {
		for i := range table {
			if table[i].Key == key {
				add("", table[i].Flag())
			}
		}
	}
	for i := range table {
		section, _, nested := strings.Cut(table[i].Key, ".")
		if !nested {
			section = "other"
		}
		add(section, table[i].Flag())
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { add("", f.Name) })
	fmt.Fprintf(&b, "\nFlags:\n%s", first.FlagUsagesWrapped(usageWidth))
	b.WriteString("\nMore settings. Each has a key in the file and a variable too: --http-listen is\n" +
		"http.listen and RINGCAST_HTTP_LISTEN. `ringcast run --print-config` explains them.\n")
	for _, section := range order {
		fmt.Fprintf(&b, "\n%s:\n%s", section, sections[section].FlagUsagesWrapped(usageWidth))
	}
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// usageWidth is how wide the help is.
const usageWidth = 110
