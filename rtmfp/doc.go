// Package rtmfp is the Secure Real-Time Media Flow Protocol (RFC 7016) as a
// protocol core: datagrams and a time go in; datagrams, events and the next
// deadline come out. It does no input or output of its own; rtmfp/udp drives
// it over sockets and rtmfp/vnet over a virtual network.
//
// An Endpoint opens sessions with other endpoints (Open) and answers those who
// open one with it. Over a session go flows of messages, opened by either end
// (Session.OpenFlow), reliable or, by a Receipt, as long as they are worth
// sending. What happens comes out of PollEvent. Cryptography is a Profile.
//
// Law of use: after each mutation (any Handle method, any call that sends or
// opens or closes) poll everything (PollTransmit, PollWork, PollEvent) until
// every poll answers false, then read PollTimeout, and only then make the next
// mutation.
//
// Deviations from RFC 7016: every packet of a session carries a timestamp,
// since deployed peers require it; acknowledgements are sent as ranges only;
// packets that were fragmented (chunk 0x7f) are not put together, as startup
// packets of all known peers fit one datagram; data beyond a burst of six
// packets is paced instead of waiting for the next acknowledgement.
package rtmfp
