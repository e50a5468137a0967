// Package keyfile keeps a node's secrets in a file, so that its peer ID lasts.
package keyfile
