// Package fmp4 writes fragmented MP4 for HLS (ISO/IEC 14496-12, CMAF): the
// initialization of a set of tracks, and fragments of one moof and one mdat
// box that hold samples of all of them.
//
// Sample data are not copied into an intermediate form: [AppendFragment]
// writes boxes and data in one pass into the caller's buffer.
package fmp4
