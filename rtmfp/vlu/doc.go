// Package vlu reads and writes the variable-length unsigned integers of RTMFP
// and the options that are built of them (RFC 7016 section 2.1): base 128,
// most significant group first, with the top bit of a byte telling that
// another one follows. This is not the byte order of LEB128.
package vlu
