// Package manifest describes files as objects of a group: under which indexes
// their pieces are, and by which hashes a piece is known to be right.
//
// A file is a run of pieces of the same length, the last one shorter. Their
// SHA-256 hashes stand in lists of up to ListLen, and the hashes of the lists
// in the file's [Head], with its name, its length and the hash of the whole.
// All three kinds are objects:
//
//	head     HeadIndex(name)
//	piece i  Base(ID) + i
//	list i   Base(ID) + MaxPieces + i
//
// where ID is the SHA-256 hash of the head. So the head is found by the file's
// name, and whoever has the head can check all the rest as it comes, from
// whomever it comes. Two files of one name have the same head index: members
// that offer both give either. Everything is plain values; the package does no
// input or output.
package manifest
