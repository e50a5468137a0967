//go:build !unix

package keyfile

import "io/fs"

// exposed cannot tell here: permissions are not part of the mode.
func exposed(fs.FileMode) bool { return false }
