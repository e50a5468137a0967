//go:build unix

package keyfile

import "io/fs"

// exposed reports whether others than the owner may do anything with a file.
func exposed(mode fs.FileMode) bool { return mode.Perm()&0o077 != 0 }
