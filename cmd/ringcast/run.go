package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/config"
)

// nodeFlags are the flags of all commands that run a node, besides those of
// the settings.
type nodeFlags struct {
	file string
	json bool
}

func (f *nodeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "config", "c", "", "YAML file with settings ("+config.EnvFile+")")
	cmd.Flags().BoolVar(&f.json, "json", false, "print a JSON line when ready, and when a stream starts or ends")
	config.AddFlags(cmd.Flags())
}

// sources says where the settings of a command come from.
func (f *nodeFlags) sources(cmd *cobra.Command, inv *invocation, defaults map[string]string) config.Sources {
	file := f.file
	for _, pair := range inv.environ {
		if value, ok := strings.CutPrefix(pair, config.EnvFile+"="); ok && file == "" {
			file = value
		}
	}
	return config.Sources{File: file, Flags: cmd.Flags(), Environ: inv.environ, Command: cmd.Name(), Defaults: defaults}
}

// load reads the settings; what is wrong with them is an error of usage.
func load(src config.Sources) (*config.Loaded, error) {
	loaded, err := config.Load(src)
	if err != nil {
		return nil, usageError(err)
	}
	return loaded, nil
}

func newRunCommand(inv *invocation) *cobra.Command {
	var flags nodeFlags
	var check, effective, printConfig bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a node from a configuration file",
		Long: "Run a node with any mix of roles, from a file, the environment and flags.\n" +
			"SIGHUP reads the settings again and changes what can change live, all or nothing.",
		Example: "  ringcast run --print-config > ringcast.yaml\n  ringcast run -c ringcast.yaml --check --effective\n  ringcast run -c ringcast.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printConfig {
				return config.WriteExample(inv.stdout)
			}
			src := flags.sources(cmd, inv, nil)
			loaded, err := load(src)
			if err != nil {
				return err
			}
			switch {
			case effective:
				return loaded.WriteEffective(inv.stdout)
			case check:
				_, err := fmt.Fprintln(inv.stdout, "the configuration is valid")
				return err
			}
			return runNode(cmd.Context(), inv, nodeOptions{
				sources: src, loaded: loaded, json: flags.json, reload: reloadSignals(),
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&check, "check", false, "only check the configuration")
	cmd.Flags().BoolVar(&effective, "effective", false, "print every setting with its value and origin (with --check)")
	cmd.Flags().BoolVar(&printConfig, "print-config", false, "print an annotated configuration file with the defaults")
	return cmd
}

// reloadSignals returns a channel that SIGHUP is delivered to.
func reloadSignals() chan os.Signal { return make(chan os.Signal, 1) }
