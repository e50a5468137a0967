// Package timer holds containers of deadlines.
//
// [Calendar] is the queue of all that is going to happen in a simulation: its
// cost does not grow with the number of pending events. It neither reads a
// clock nor calls anybody back; whoever owns it takes out what is due.
package timer
