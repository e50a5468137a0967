package timer_test

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/reliability"
	"github.com/ringcast/ringcast/reliability/timer"
)

// Deadlines that are withdrawn and moved before they come.
func ExampleHeap() {
	var h timer.Heap[string]
	now := reliability.Start
	retry := h.Push(now.Add(200*time.Millisecond), "retry")
	h.Push(now.Add(300*time.Millisecond), "give up")
	h.Move(retry, now.Add(400*time.Millisecond))
	now = now.Add(350 * time.Millisecond)
	for what, at, ok := h.PopDue(now); ok; what, at, ok = h.PopDue(now) {
		fmt.Println(what, at.Sub(reliability.Start))
	}
	fmt.Println(h.Len(), "left")
	// Output:
	// give up 300ms
	// 1 left
}

// All that is going to happen in a simulation.
func ExampleCalendar() {
	var c timer.Calendar[string]
	c.Push(reliability.Start.Add(time.Hour), "the end")
	c.Push(reliability.Start.Add(time.Second), "a packet")
	c.Push(reliability.Start.Add(time.Second), "another")
	for what, at, ok := c.Pop(); ok; what, at, ok = c.Pop() {
		fmt.Println(at.Sub(reliability.Start), what)
	}
	// Output:
	// 1s a packet
	// 1s another
	// 1h0m0s the end
}
