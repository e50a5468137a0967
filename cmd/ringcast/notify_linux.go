package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// reloadingSince is what systemd wants to be told beside RELOADING=1, where it
// asks the service to reload by a signal (Type=notify-reload).
func reloadingSince() string {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return ""
	}
	return fmt.Sprintf("\nMONOTONIC_USEC=%d", now.Nano()/1000)
}
