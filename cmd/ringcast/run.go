package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/config"
)

// nodeCommand is what the commands that run a node have in common: flags for
// the settings, and defaults of their own.
type nodeCommand struct {
	inv      *invocation
	defaults map[string]string
	file     string
}

// add gives the command its flags.
func (c *nodeCommand) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&c.file, "config", "c", "", "YAML `file` with settings ("+config.EnvFile+")")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	config.AddFlags(cmd.Flags(), cmd.Name(), c.defaults)
	for _, s := range config.Settings() {
		if cmd.Flags().Lookup(s.Flag()) == nil {
			continue
		}
		switch {
		case len(s.Choices) > 0:
			_ = cmd.RegisterFlagCompletionFunc(s.Flag(), cobra.FixedCompletions(s.Choices, cobra.ShellCompDirectiveNoFileComp))
		case s.Kind != config.KindFile && s.Key != "source":
			_ = cmd.RegisterFlagCompletionFunc(s.Flag(), cobra.NoFileCompletions)
		}
	}
	cmd.SetUsageFunc(nodeUsage)
}

// sources says where the settings of the command come from.
func (c *nodeCommand) sources(cmd *cobra.Command) config.Sources {
	file := c.file
	for _, pair := range c.inv.environ {
		if value, ok := strings.CutPrefix(pair, config.EnvFile+"="); ok && file == "" {
			file = value
		}
	}
	return config.Sources{File: file, Flags: cmd.Flags(), Environ: c.inv.environ, Command: cmd.Name(), Defaults: c.defaults}
}

// load reads the settings; what is wrong with them is an error of usage.
func (c *nodeCommand) load(cmd *cobra.Command) (nodeOptions, error) {
	src := c.sources(cmd)
	loaded, err := load(src)
	return nodeOptions{sources: src, loaded: loaded}, err
}

// load reads settings and checks what lies outside them: files and passwords.
func load(src config.Sources) (*config.Loaded, error) {
	loaded, err := config.Load(src)
	if err != nil {
		return nil, usageError(err)
	}
	return loaded, checkFiles(loaded)
}

func newRunCommand(inv *invocation) *cobra.Command {
	c := nodeCommand{inv: inv}
	var check, effective, printConfig bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a node from a configuration file",
		Long: "Run a node with any mix of roles, from a file, the environment and flags. With\n" +
			"rtmfp.listen its streams go into a group; play lists share links whose streams it\n" +
			"plays, seed those that it only passes on. SIGHUP reads the settings again and\n" +
			"changes what can change live, all or nothing.",
		Example: "  ringcast run --print-config > ringcast.yaml\n  ringcast run -c ringcast.yaml --check --effective\n  ringcast run -c ringcast.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printConfig {
				return config.WriteExample(inv.stdout)
			}
			options, err := c.load(cmd)
			if err != nil {
				return err
			}
			if options.network, err = runNetwork(options.loaded); err != nil {
				return err
			}
			switch {
			case effective:
				return options.loaded.WriteEffective(inv.stdout)
			case check:
				_, err := fmt.Fprintln(inv.stdout, "the configuration is valid")
				return err
			}
			return runNode(cmd.Context(), inv, options)
		},
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "only check the configuration")
	cmd.Flags().BoolVar(&effective, "effective", false, "print every setting with its value and origin, and do nothing else")
	cmd.Flags().BoolVar(&printConfig, "print-config", false, "print an annotated configuration file with the defaults")
	return cmd
}

// runNetwork finds the part in groups that a node of `ringcast run` has.
func runNetwork(loaded *config.Loaded) (networkOptions, error) {
	links, seeds, err := parseLinks(loaded)
	if err != nil {
		return networkOptions{}, err
	}
	o := networkOptions{links: links, seeds: seeds}
	plays := len(links)+len(seeds) > 0
	switch loaded.Group.Publish {
	case "on":
		o.publish = true
	case "auto":
		o.publish = loaded.RTMFP.Listen != "" && (!plays || len(loaded.AllStreams()) > 0)
	}
	o.introduce = introduces(loaded, o.publish && len(loaded.Introducers) == 0)
	if loaded.RTMFP.Listen != "" || !o.any() {
		return o, nil
	}
	if plays && loaded.Origin("rtmfp.listen").IsDefault() {
		return o, nil // on any free port
	}
	key := "play"
	switch {
	case loaded.Group.Publish == "on":
		key = "group.publish"
	case loaded.RTMFP.Introduce == "on":
		key = "rtmfp.introduce"
	}
	return o, usageError(&config.Error{
		Key: key, Problem: "needs the network, which is off", Allowed: "together with rtmfp.listen, such as :1935", Origin: loaded.Origin(key),
	})
}

// introduces reports whether the node is a meeting point: as it was told, or as
// it would be by itself.
func introduces(loaded *config.Loaded, itself bool) bool {
	switch loaded.RTMFP.Introduce {
	case "on":
		return true
	case "off":
		return false
	}
	return itself
}

// hangups returns a channel that SIGHUP is delivered to.
func hangups(ctx context.Context) chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	context.AfterFunc(ctx, func() { signal.Stop(c) })
	return c
}
