// Package id3 writes ID3v2.4 tags, which carry timed metadata in HLS.
package id3
