// Package flv takes streams in that come as FLV: [Reader] reads tags from any
// stream of bytes, within bounds, and [Source] fetches one over HTTP
// (HTTP-FLV). Package file reads files with it.
package flv
