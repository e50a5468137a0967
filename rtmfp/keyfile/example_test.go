package keyfile_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/ringcast/ringcast/rtmfp/keyfile"
)

// A node keeps its identity, by which others know it, over restarts.
func ExampleLoadOrCreate() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "node.key")
	first, err := keyfile.LoadOrCreate(name, rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := keyfile.LoadOrCreate(name, rand.Reader)
	fmt.Println(reflect.DeepEqual(first, again), err)
	// Output: true <nil>
}
