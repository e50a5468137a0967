// Package timer holds containers of deadlines.
//
//   - [Table] is the few timers of one object, named by constants.
//   - [Heap] is any number of deadlines that are often moved or withdrawn.
//   - [Calendar] is the queue of all that is going to happen in a simulation:
//     its cost does not grow with the number of pending events, but nothing can
//     be withdrawn.
//
// None of them reads a clock or calls anybody back; whoever owns one takes out
// what is due.
package timer
