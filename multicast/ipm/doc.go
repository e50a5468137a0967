// Package ipm carries the fragments of a group's streams in datagrams of native
// IP multicast, and lets the members of a LAN find each other there.
//
// Datagrams are encrypted and authenticated with keys that follow from the
// group's identity ([KeysOf]), so that only who knows the group can read or
// make them; which member made one cannot be proved. Each names its sender by
// a tag and carries a sequence number, by which receivers drop repetitions and
// count what is lost. Inside is a run of chunks: fragments as they are on flow
// GR 12, descriptions of streams, and members' addresses.
//
//	u8  tag[16]   HMAC-SHA256 of what follows, cut off
//	u8  iv[16]
//	u8  blocks[…] AES-128-CBC of:
//	  u8  version, 1
//	  u8  sender[4], the first bytes of its group address
//	  vlu sequence number
//	      chunks: u8 type, u16 length, body
//	  u8  ff[…] up to a whole block
//
// [Sender] and [Receiver] are the two ends; [Discovery] and [Election] decide
// what a member says there and when. All are cores without input or output:
// bytes and the time go in, bytes and deadlines come out. None is safe for
// concurrent use.
package ipm
