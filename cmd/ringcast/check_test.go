package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/ringcast/ringcast/config"
)

// Whose fault it is that the identity cannot be kept decides the exit status.
func TestIdentityErrors(t *testing.T) {
	loaded, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for cause, want := range map[error]int{
		fs.ErrPermission: exitAddress, syscall.EROFS: exitAddress, syscall.ENOSPC: exitFailure,
		fs.ErrNotExist: exitUsage, errors.New("no key in it"): exitUsage,
	} {
		err := fmt.Errorf("write identity file: %w", &os.PathError{Op: "write", Path: "key", Err: cause})
		if got := exitStatus(identityError(loaded, err)); got != want {
			t.Errorf("%v: status %d, want %d", cause, got, want)
		}
	}
}
