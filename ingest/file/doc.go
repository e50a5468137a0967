// Package file plays files as live streams: FLV, MP4 and MPEG-TS, paced in real
// time, once or in a loop, and the clip that is built into the program. Files
// are the node's own, named in its configuration; they are read within bounds
// all the same.
package file
