// Package nettest holds the end-to-end tests of the network between nodes: the
// program's real processes in namespaces of their own, behind NATs, over bad
// links and on LANs with and without multicast, with FFmpeg at both ends.
package nettest
