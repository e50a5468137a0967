// Package web is the HTTP face of a node: the dashboard, a player page for
// each stream, the routes to the streams' HLS and HTTP-FLV files, a JSON API,
// Prometheus metrics and health checks. Everything it serves is in the binary;
// no page asks another host for anything.
//
//	/                          dashboard
//	/live/STREAM/              player page
//	/live/STREAM/index.m3u8    HLS, and its other files beside it
//	/live/STREAM.flv           HTTP-FLV
//	/api/v1/node, /api/v1/streams, /api/openapi.json
//	/metrics, /healthz, /readyz
//
// STREAM/… without an application means live/STREAM/…, and live/STREAM.m3u8
// leads to the playlist. Media may be fetched from any page (CORS), the API
// only from the node's own. On loopback the Host header must name loopback or
// a configured host, so that no web page reaches the node by DNS rebinding.
//
// The package serves what others keep: a [Backend] tells the state of the
// node, and two handlers serve the media files.
package web
