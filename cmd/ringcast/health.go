package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is how long a node may take to say how it is.
const healthTimeout = 3 * time.Second

func newHealthCommand() *cobra.Command {
	var ready bool
	var node string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a node whether it is well",
		Long: "Ask a node whether it is well, by default the one at http://127.0.0.1:8080. The exit\n" +
			"status is 0 if it answers, with --ready only if it does what it was started for: its\n" +
			"sources are on air, and what it plays plays. For health checks of containers, which\n" +
			"have no other program to ask with.",
		Example: "  ringcast health\n  ringcast health --ready --node http://127.0.0.1:8081",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			return askHealth(cmd.Context(), cmd.OutOrStdout(), strings.TrimSuffix(node, "/")+path)
		},
	}
	cmd.Flags().StringVar(&node, "node", "http://127.0.0.1:8080", "the node's HTTP address")
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it does what it was started for")
	return cmd
}

// askHealth prints what the node says of itself, and fails if that is not good.
func askHealth(ctx context.Context, w io.Writer, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usageError(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	const most = 4096
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	var said struct{ Status, Error string }
	if json.Unmarshal(body, &said) != nil {
		return fmt.Errorf("%s is no node of ringcast", url)
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(said.Error)
	}
	_, err = fmt.Fprintln(w, said.Status)
	return err
}
