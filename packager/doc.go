// Package packager is the media model: tracks, samples, and the messages that
// carry them through the network and back.
//
// A source (package ingest) yields a set of [Track] and a run of [Sample],
// each with decode and presentation time. The Packager puts them on one sane
// timeline and turns them into [Message] values: the message types and bodies
// of RTMP and FLV, decoder configurations and the [Catalog] repeated for late
// joiners. The Unpackager is the inverse at a sink: it turns messages into
// [Event] values, from which every output (package playout) is fed.
//
//	source ── Sample ──> Packager ── Message ──> network ── Message ──> Unpackager ── Event ──> outputs
//
// Payloads are never copied or written on the way: a Sample cut from an
// incoming tag, the Message made of it and the Sample that an output sees
// share one backing array.
//
// The package does no input or output and keeps no clock. Its types are not
// safe for concurrent use.
package packager
