package profile_test

import (
	"crypto/rand"
	"fmt"

	"github.com/ringcast/ringcast/rtmfp/profile"
)

// A node's fingerprint, by which others ask for it, follows from its secrets.
func ExampleNewNode() {
	secrets, err := profile.NewSecrets(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := profile.ParseSecrets(profile.AppendSecrets(nil, secrets))
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := profile.NewNode(secrets, profile.NodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := profile.NewNode(again, profile.NodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Self().Fingerprint == b.Self().Fingerprint, b.Selects(profile.PeerEPD(a.Self().Fingerprint), b.Self()))
	// Output: true true
}
