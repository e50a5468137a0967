package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// compareRTMFP measures each kind of cryptography between two processes of this
// program over loopback.
func compareRTMFP(cmd *cobra.Command, o *rtmfpOptions, size int, duration time.Duration) error {
	if o.trace != "" || o.identity != "" {
		return usageError(errors.New("--trace and --identity need a target"))
	}
	profiles := []string{profileModern, profileChaCha, profileHMAC, profileChecksum}
	if o.profile != profileAuto {
		profiles = []string{o.profile}
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%-10s %8s %12s %27s %12s %21s\n", "", "MB/s", "packets/s", "CPU-s/GB (send, receive)", "", "allocations/packet")
	for _, name := range profiles {
		r, err := measureRTMFP(cmd.Context(), name, size, duration, o.plain)
		if err != nil {
			return fmt.Errorf("measure %s: %w", name, err)
		}
		sender, receiver := r.perGB(r.Sender), r.perGB(r.Receiver)
		fmt.Fprintf(out, "%-10s %8.1f %12.0f %12.2f (%.2f, %.2f) %14.3f (%.3f, %.3f)\n", name, float64(r.Bytes)/r.Seconds/1e6,
			float64(r.Packets)/r.Seconds, sender+receiver, sender, receiver,
			r.perPacket(r.Sender)+r.perPacket(r.Receiver), r.perPacket(r.Sender), r.perPacket(r.Receiver))
	}
	return nil
}

// measureRTMFP runs a server and a client for one kind.
func measureRTMFP(ctx context.Context, name string, size int, duration time.Duration, plain bool) (*benchResult, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	common := []string{"rtmfp", "--profile", name, "--plain=" + strconv.FormatBool(plain)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := exec.CommandContext(ctx, program, append(common, "serve", "--listen", "127.0.0.1:0")...)
	server.Stderr = os.Stderr
	output, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	defer func() {
		cancel()
		_ = server.Wait() // it was told to end
	}()
	var addr string
	lines := bufio.NewScanner(output)
	for addr == "" && lines.Scan() {
		addr, _ = strings.CutPrefix(lines.Text(), "listening on ")
	}
	go func() {
		for lines.Scan() { // what it says about sessions
		}
	}()
	client := exec.CommandContext(ctx, program, append(common, "bench", "--json", "--size", strconv.Itoa(size), "--time", duration.String(), "rtmfp://"+addr+"/bench")...)
	client.Stderr = os.Stderr
	text, err := client.Output()
	if err != nil {
		return nil, err
	}
	var r benchResult
	return &r, json.Unmarshal(text, &r)
}
