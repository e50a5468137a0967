// Package nalu splits and joins the NAL units of H.264 and H.265 access
// units, in both forms that are in use: behind a length (MP4, FLV) and behind
// a start code (Annex B, MPEG-TS).
package nalu
