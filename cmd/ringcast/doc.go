// Command ringcast is a node of a live multicast: it takes streams in, spreads
// them, and serves them to any player. Each subcommand has a file of its own;
// everything else here is wiring: build the parts from the configuration, run
// them, stop them.
package main
