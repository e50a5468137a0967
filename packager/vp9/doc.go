// Package vp9 reads what a live stream needs of VP9: the codec configuration
// box (VP Codec ISO Media File Format Binding) and the head of a frame.
package vp9
