package introducer_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/overlay/introducer"
)

// The introducer of a node that is a member itself. Others join by messages,
// which its endpoint hands to HandleEvent.
func Example() {
	i, err := introducer.New(introducer.DefaultParams(), rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		fmt.Println(err)
		return
	}
	group, self := introducer.GroupID{1}, overlay.PeerID{2}
	i.JoinLocal(group, self, overlay.PeerID{})
	fmt.Println(i.Members(group))
	i.LeaveLocal(group, self)
	fmt.Println(i.Members(group))
	// Output:
	// 1
	// 0
}
