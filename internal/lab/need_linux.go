package lab

import (
	"os"
	"os/exec"
	"testing"
)

// Need ends a test that cannot make labs here. A missing program or a missing
// right is a failure where labs are expected: for root, and in continuous
// integration (CI set). Only a developer's machine without root may leave such
// tests out.
func Need(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("labs need root, and continuous integration must run them")
		}
		t.Skip("labs need root: run this test as root to include it")
	}
	for _, program := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("labs need %q (packages iproute2 and nftables): %v", program, err)
		}
	}
}
