// Package av1 reads what a live stream needs of AV1: the codec configuration
// record, OBUs, and the sequence header (AV1 bitstream specification section
// 5; AV1 in ISO base media section 2.3).
package av1
