// Package wire reads and writes what RTMFP puts into a packet before
// encryption: the packet header, the chunks and socket addresses (RFC 7016
// section 2). Parsing borrows: slices of a parsed chunk point into the bytes
// that were parsed. Appending writes type, length and payload; a chunk above
// 65,535 bytes is a caller's error and panics.
//
//	header, n, err := wire.ParseHeader(packet)
//	for chunks := packet[n:]; ; {
//		chunk, size, ok := wire.ParseChunk(chunks)
//		if !ok {
//			break // padding
//		}
//		chunks = chunks[size:]
//		switch chunk.Type { … }
//	}
package wire
