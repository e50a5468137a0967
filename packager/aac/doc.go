// Package aac reads AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1) and
// writes ADTS headers and silent access units.
package aac
