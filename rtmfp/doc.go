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
// # Deviations from RFC 7016
//
// Every packet of a session carries a timestamp, since deployed peers require
// it; only with our own kind it is left out when it has not changed.
// Acknowledgements are sent as ranges only; both forms are read. Data beyond a
// burst of six packets, or what an acknowledgement makes room for, is paced
// instead of waiting for the next acknowledgement. An acknowledgement that
// stands for many packets widens the window as several would. Packets are sent
// in pieces (chunk 0x7f) only in the startup. A closed window of a peer that
// takes a Buffer Probe for an offence is not asked about.
//
// # Checklist
//
// The points that make an implementation of RFC 7016 and RFC 7425 complete,
// and the packages in which a subtest TestChecklist/NN shows them; this list
// is itself checked. To see them all by name:
//
//	go test ./rtmfp/... -run Checklist -v
//
//	 1  variable-length integers         vlu
//	 2  options and markers              vlu
//	 3  addresses                        wire
//	 4  reserved bits                    wire
//	 5  session IDs, scrambled           wire, rtmfp
//	 6  modes, reflection                rtmfp
//	 7  padding                          wire, rtmfp
//	 8  unknown and malformed chunks     wire, rtmfp
//	 9  timestamps and echoes            wire, rtmfp
//	10  tags                             rtmfp
//	11  hellos are repeated              rtmfp
//	12  redirects                        rtmfp
//	13  certificate of another           rtmfp
//	14  the first RHello counts          rtmfp
//	15  duplicate opening                rtmfp
//	16  keying is repeated as it was     rtmfp
//	17  cookie change                    rtmfp
//	18  unusable RIKeying                rtmfp, profile
//	19  ultimate timeout                 rtmfp
//	20  no state by a hello              rtmfp
//	21  cookies                          rtmfp
//	22  cookie for another address       rtmfp
//	23  repeated IIKeying                rtmfp
//	24  IIKeying at an open session      rtmfp
//	25  open at once                     rtmfp
//	26  glare                            rtmfp, profile
//	27  openings that wait               rtmfp
//	28  forwarded hellos                 rtmfp
//	29  introducer                       wire, rtmfp
//	30  packets under the default key    profile
//	31  fingerprints                     profile
//	32  unusable certificates            profile
//	33  endpoint discriminators          profile
//	34  public keys                      profile
//	35  key derivation                   profile
//	36  negotiation of HMAC, numbers     profile
//	37  length of an HMAC                profile
//	38  order of verification            profile
//	39  replay window                    profile
//	40  checksum of odd length           profile
//	41  signatures, passwords            profile
//	42  round trips and timeouts         congestion, rtmfp
//	43  pings                            rtmfp
//	44  address mobility                 rtmfp
//	45  closing                          rtmfp
//	46  the end of all flows             rtmfp
//	47  keepalive                        rtmfp
//	48  flow options until acknowledged  rtmfp
//	49  fragments                        rtmfp
//	50  Next User Data                   wire, rtmfp
//	51  forward sequence numbers         wire, rtmfp
//	52  forward update                   rtmfp
//	53  abandoning                       rtmfp
//	54  negative acknowledgements        rtmfp
//	55  window                           rtmfp
//	56  zero window, buffer probes       rtmfp
//	57  exceptions                       rtmfp
//	58  closing a flow                   rtmfp
//	59  forms of acknowledgements        wire, rtmfp
//	60  rejected flows                   wire, rtmfp
//	61  unknown options                  rtmfp
//	62  when to acknowledge              rtmfp
//	63  what to acknowledge              rtmfp
//	64  acknowledging a rejected flow    rtmfp
//	65  truncated acknowledgements       wire, rtmfp
//	66  advertised window                rtmfp
//	67  delivery in order                rtmfp
//	68  delivery in network order        rtmfp
//	69  the end of a flow                rtmfp
//	70  memory                           rtmfp
//	71  congestion window                congestion, rtmfp
//	72  time-critical flags              rtmfp
//	73  yielding                         congestion, rtmfp
//	74  bursts                           rtmfp
//	75  metadata                         netconnection
//	76  messages                         netconnection
//	77  associations                     netconnection
//	78  setPeerInfo                      netconnection
//	79  flow synchronization             netconnection
//	80  keepalive settings               netconnection
//	81  streams between peers            netconnection
//	82  exceptions of NetConnection      netconnection
//	83  certificates of clients          profile, netconnection
//	84  what old peers need              profile, rtmfp
package rtmfp
