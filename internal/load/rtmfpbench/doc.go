// Command rtmfpbench measures bulk transfers between two processes over
// loopback: RTMFP with each kind of cryptography, and QUIC in the same run if
// it is given a program for it. All take turns, so that what else the machine
// does hits all alike; the ratios are worth more than the figures.
//
//	go run ./internal/load/rtmfpbench -ringcast bin/ringcast -quic /path/to/quicbench
package main
