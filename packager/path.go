package packager

import (
	"errors"
	"strings"
)

// MaxStreamPath is the longest stream path in bytes.
const MaxStreamPath = 255

// DefaultApp is the first element of a path that was given as a name alone.
const DefaultApp = "live"

// Errors of [CleanStreamPath].
var (
	ErrEmptyPath = errors.New("stream path is empty")
	ErrBadPath   = errors.New("stream path has a forbidden element or character")
	ErrLongPath  = errors.New("stream path is longer than 255 bytes")
)

// CleanStreamPath returns the canonical path of a stream, such as
// "live/camera": no slashes at the ends, none doubled, and DefaultApp before a
// name that stands alone. It takes a decoded path without a query. Elements
// "." and "..", control characters, backslashes and invalid UTF-8 are refused.
func CleanStreamPath(p string) (string, error) {
	if len(p) > MaxStreamPath {
		return "", ErrLongPath
	}
	if strings.ToValidUTF8(p, "\x00") != p {
		return "", ErrBadPath
	}
	elements := strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
	for _, e := range elements {
		bad := strings.ContainsFunc(e, func(r rune) bool { return r < 0x20 || r == 0x7f || strings.ContainsRune(`\?#"<>`, r) })
		if bad || e == "." || e == ".." {
			return "", ErrBadPath
		}
	}
	switch len(elements) {
	case 0:
		return "", ErrEmptyPath
	case 1:
		elements = []string{DefaultApp, elements[0]}
	}
	clean := strings.Join(elements, "/")
	if len(clean) > MaxStreamPath {
		return "", ErrLongPath
	}
	return clean, nil
}
