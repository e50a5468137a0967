// Package sharelink reads and writes the links by which a stream is shared:
//
//	rtmfp://HOST:PORT[,HOST:PORT…]/live/STREAM?fp=HEX#G:…
//
// with the introducers, the fingerprint of the first one, the name of the
// stream and the groupspec. A group that needs no introducer has no host:
//
//	rtmfp:///live/STREAM#G:…
//
// The groupspec is the secret of the group and stands in the fragment, which
// programs that open links keep to themselves.
package sharelink
