//go:build amd64 || arm64

package prefetch

// lines asks for n cache lines from the address at on. It is a hint, reads
// nothing and takes any address.
//
//go:noescape
func lines(at uintptr, n int)
