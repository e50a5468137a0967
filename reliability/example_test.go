package reliability_test

import (
	"fmt"
	"time"

	"github.com/ringcast/ringcast/reliability"
)

// Until when a reference frame that became known just now is sent to a
// receiver that passes nothing on, by policy.
func ExamplePolicy() {
	const window = 8 * time.Second
	now := reliability.Start
	for _, name := range reliability.PolicyNames() {
		p, err := reliability.PolicyByName(name)
		if err != nil {
			panic(err)
		}
		_, until := p.Sending(reliability.ClassReference, reliability.ReceiverLeaf, now, now, window)
		fmt.Println(name, until.Sub(now))
	}
	// Output:
	// balanced 1.5s
	// lowest-delay 500ms
	// complete 8s
}

// A reference frame is lost: the rest of its group of pictures is of no use.
func ExampleChain() {
	var c reliability.Chain
	c.Know(100, reliability.ClassKey)
	c.Know(200, reliability.ClassKey)
	c.Lose(120, reliability.ClassReference)
	fmt.Println(c.Broken(110, reliability.ClassReference), c.Broken(130, reliability.ClassReference), c.Broken(210, reliability.ClassReference))
	// Output: false true false
}
