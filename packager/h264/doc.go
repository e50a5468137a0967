// Package h264 reads what a live stream needs of H.264: the decoder
// configuration record (ISO/IEC 14496-15 section 5.3.3), the picture size and
// rate of a sequence parameter set, and the kinds of NAL units.
package h264
