package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ringcast/ringcast/multicast/swarm"
)

// simFlags are the settings of a scenario on the command line: a text for each,
// so that one table says what they are and what they are by themselves.
type simFlags struct {
	values     map[string]*string
	uploadFile string
}

func addSimFlags(cmd *cobra.Command, sc *swarm.Scenario) *simFlags {
	f := &simFlags{values: make(map[string]*string)}
	for _, s := range sc.Settings() {
		value := s.Value
		if s.Name == "latency-file" {
			value = ""
		}
		f.values[s.Name] = cmd.Flags().String(s.Name, value, s.Help)
	}
	cmd.Flags().StringVar(&f.uploadFile, "upload-file", "", "file with what members give, a rate in bit/s a line, instead of --upload")
	cmd.Flags().SortFlags = false
	return f
}

// apply changes the settings that were given.
func (f *simFlags) apply(cmd *cobra.Command, sc *swarm.Scenario) error {
	for _, s := range sc.Settings() {
		if !cmd.Flags().Changed(s.Name) {
			continue
		}
		if err := setSim(sc, s.Name, *f.values[s.Name]); err != nil {
			return fmt.Errorf("--%s %q: %w", s.Name, *f.values[s.Name], err)
		}
	}
	if f.uploadFile == "" {
		return nil
	}
	text, err := os.ReadFile(f.uploadFile)
	if err != nil {
		return fmt.Errorf("--upload-file: %w", err)
	}
	mix, err := swarm.ParseUploads(string(text), sc.Rate)
	if err != nil {
		return fmt.Errorf("--upload-file %s: %w", f.uploadFile, err)
	}
	sc.Upload = mix
	if !cmd.Flags().Changed("rho") {
		sc.Rho = 0
	}
	return nil
}

// setSim gives one setting its value.
func setSim(sc *swarm.Scenario, name, value string) (err error) {
	durations := map[string]*time.Duration{
		"duration": &sc.Duration, "ramp": &sc.Ramp, "settle": &sc.Settle, "window": &sc.Window, "margin": &sc.Margin,
	}
	rates := map[string]*float64{"rate": &sc.Rate, "leaf-line": &sc.LeafLine}
	shares := map[string]*float64{"loss": &sc.Loss, "unreachable": &sc.Unreachable, "native": &sc.Native, "native-loss": &sc.NativeLoss}
	numbers := map[string]*float64{
		"rho": &sc.Rho, "source-upload": &sc.SourceUpload, "loss-burst": &sc.LossBurst, "boot": &sc.BootRTT,
	}
	counts := map[string]*int{"nodes": &sc.Nodes, "fragment-size": &sc.FragmentSize, "runs": &sc.Runs, "objects": &sc.Objects, "object-size": &sc.ObjectSize}
	switch {
	case durations[name] != nil:
		*durations[name], err = parseSimDuration(value)
	case rates[name] != nil:
		*rates[name], err = swarm.ParseRate(value)
	case shares[name] != nil:
		*shares[name], err = parseShare(value)
	case numbers[name] != nil:
		*numbers[name], err = strconv.ParseFloat(value, 64)
	case counts[name] != nil:
		*counts[name], err = strconv.Atoi(value)
	default:
		return setSimOther(sc, name, value)
	}
	if err != nil && errors.Is(err, strconv.ErrSyntax) {
		return errors.New("not a number")
	}
	return err
}

func setSimOther(sc *swarm.Scenario, name, value string) (err error) {
	switch name {
	case "seed":
		sc.Seed, err = strconv.ParseUint(value, 10, 64)
	case "upload":
		sc.Upload, err = swarm.ParseUpload(value)
	case "nat":
		sc.NAT, err = swarm.ParseNAT(value)
	case "faults":
		sc.Faults, err = swarm.ParseFaults(value)
	case "latency-file":
		var text []byte
		if text, err = os.ReadFile(value); err == nil {
			sc.Latency, err = swarm.ParseLatency(string(text))
		}
	case "churn":
		switch value {
		case "off":
			sc.Churn.On = false
		case "on":
			sc.Churn.On = true
		default:
			sc.Churn.On = true
			sc.Churn.Session.Scale, err = parseSimDuration(value)
			if err == nil && sc.Churn.Session.Scale < time.Second {
				err = errors.New("must be at least 1s, or off")
			}
		}
	default:
		err = errors.New("no such setting")
	}
	return err
}

func parseSimDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, errors.New("want a duration such as 90s or 10m")
	}
	return d, nil
}

// parseShare reads a share: 0.01 or 1%.
func parseShare(value string) (float64, error) {
	digits, percent := strings.CutSuffix(value, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, errors.New("want a share such as 0.01 or 1%")
	}
	return v, nil
}
