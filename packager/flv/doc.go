// Package flv reads and writes the framing of FLV files and streams and the
// headers of audio and video tags, which are also the bodies of RTMP messages:
// the legacy ones of the FLV specification 10.1 and those of enhanced RTMP,
// versions 1 and 2, with its modifiers and multitrack forms.
//
// Parsed data are parts of the input.
package flv
