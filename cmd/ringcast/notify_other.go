//go:build !linux

package main

// reloadingSince is for systemd, which is on Linux alone.
func reloadingSince() string { return "" }
