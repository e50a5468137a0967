package multicast

import (
	"testing"

	"github.com/ringcast/ringcast/reliability"
)

// TestPolicyReachesTheWire: what a class is worth shows in the queue's order
// and in the receipts.
func TestPolicyReachesTheWire(t *testing.T) {
	for _, tt := range []struct {
		policy reliability.Policy
		hasty  bool
	}{
		{reliability.Balanced(), false}, {reliability.LowestDelay(), true}, {reliability.Complete(), false},
	} {
		if got := isHasty(&tt.policy); got != tt.hasty {
			t.Errorf("%s: hasty is %v", tt.policy.Name, got)
		}
		p := DefaultParams()
		p.Policy = tt.policy
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", tt.policy.Name, err)
		}
		// The priorities of a policy are the classes of the upload queue.
		for c := range tt.policy.Rules {
			for to := reliability.ReceiverRelay; to <= reliability.ReceiverLeftover; to++ {
				if pr, _ := tt.policy.Sending(reliability.Class(c), to, 1, 1, p.WindowDuration); uint8(pr) > UplinkRest {
					t.Errorf("%s: class %v goes with priority %d", tt.policy.Name, reliability.Class(c), pr)
				}
			}
		}
	}
	p := DefaultParams()
	p.Policy = reliability.Policy{}
	if p.Validate() == nil {
		t.Error("a policy without rules is accepted")
	}
}
