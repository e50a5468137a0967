// Package mp3 reads the header of MPEG audio frames (ISO/IEC 11172-3 section
// 2.4.1.3 and 13818-3), layer III.
package mp3
