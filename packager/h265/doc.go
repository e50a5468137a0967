// Package h265 reads what a live stream needs of H.265: the decoder
// configuration record (ISO/IEC 14496-15 section 8.3.3), the picture size and
// rate of a sequence parameter set, and the kinds of NAL units.
package h265
