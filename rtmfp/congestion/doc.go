// Package congestion holds what decides how much an RTMFP session may send and
// how long it waits: the round-trip time with its timeouts (RFC 7016 section
// 3.5.2.2) and the transmission budget with its yielding to time-critical
// traffic (section 3.5.2 and appendix A). Both are plain values without a
// clock.
package congestion
