// Package amf0 reads and writes Action Message Format 0, the form of RTMP and
// NetConnection commands and of FLV script data (Adobe AMF 0 specification,
// December 2007).
//
// [Parse] reads one [Value] under the bounds of a [Limits]; the Append
// functions write one each. Object properties keep their order.
package amf0
