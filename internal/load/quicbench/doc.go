// Command quicbench is what `ringcast rtmfp bench` is compared with: the same
// transfer between two processes, by QUIC. It is a module of its own so that
// the product depends on none of it.
//
//	quicbench serve            prints "listening on addr"
//	quicbench send [flags] addr   prints the figures as JSON
package main
