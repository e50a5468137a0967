// Package opus reads what a live stream needs of Opus: the identification
// header (RFC 7845 section 5.1) and the duration of a packet (RFC 6716
// section 3.1).
package opus
