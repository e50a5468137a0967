package main

import (
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command says what it does and shows how it is called.
func TestHelp(t *testing.T) {
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			look(sub)
		}
		// The scenarios of the simulator are shown by their parent. The help of
		// completion is the library's.
		if !cmd.HasParent() || strings.HasPrefix(cmd.CommandPath(), "ringcast completion") || cmd.Parent().Name() == "sim" || cmd.Hidden {
			return
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: in short it is %q", cmd.CommandPath(), cmd.Short)
		}
		for line := range strings.Lines(cmd.Example) {
			if !strings.Contains(line, "ringcast "+strings.TrimPrefix(cmd.CommandPath(), "ringcast ")) {
				t.Errorf("%s: the example %q is of another command", cmd.CommandPath(), line)
			}
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
	}
	look(newRootCommand(&invocation{stdout: io.Discard, stderr: io.Discard}))
}

// The completion scripts are what their shells can read, where they are here.
func TestCompletion(t *testing.T) {
	for shell, check := range map[string]string{"bash": "-n", "zsh": "-n", "fish": "--no-execute"} {
		status, script, errs := finish(t, nil, "completion", shell)
		if status != exitOK || !strings.Contains(script, "ringcast") || errs != "" {
			t.Errorf("completion %s: status %d, %d bytes, %q", shell, status, len(script), errs)
			continue
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not here, its script is not read", shell)
			continue
		}
		cmd := exec.Command(path, check)
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s cannot read its script: %v\n%s", shell, err, out)
		}
	}
	for args, want := range map[string]string{"run --log-level": "warn", "introducer --group-extensions": "required", "": "publish"} {
		status, out, _ := finish(t, nil, append(append([]string{"__complete"}, strings.Fields(args)...), "")...)
		if status != exitOK || !strings.Contains(out, want) {
			t.Errorf("completing %q: status %d, %q, want %q", args, status, out, want)
		}
	}
}
