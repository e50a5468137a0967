// Package rtmfp is the Secure Real-Time Media Flow Protocol (RFC 7016) as a
// protocol core: datagrams and a time go in; datagrams, events and the next
// deadline come out. It does no input or output of its own; rtmfp/udp drives
// it over sockets and rtmfp/vnet over a virtual network.
//
// Law of use: after each mutation (any Handle method, any call that sends or
// opens or closes) poll everything (PollTransmit, PollWork, PollEvent) until
// every poll answers false, then read PollTimeout, and only then make the next
// mutation.
package rtmfp
