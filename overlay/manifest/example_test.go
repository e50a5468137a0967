package manifest_test

import (
	"crypto/sha256"
	"fmt"

	"github.com/ringcast/ringcast/overlay/manifest"
)

// A file of two pieces: its head says where the rest is, and how to check it.
func Example() {
	file := make([]byte, 100_000)
	size, _ := manifest.PieceSizeFor(uint64(len(file)))
	h := manifest.Head{Name: "zeros", Size: uint64(len(file)), PieceSize: size, Sum: sha256.Sum256(file)}
	var list []byte
	for i := range h.Pieces() {
		sum := sha256.Sum256(file[i*size:][:h.PieceLen(i)])
		list = append(list, sum[:]...)
	}
	h.Lists = []manifest.Hash{sha256.Sum256(list)}
	b := manifest.AppendHead(nil, &h)

	got, err := manifest.ParseHead(b)
	fmt.Println(got.Name, got.Pieces(), got.PieceLen(1), err)
	fmt.Println(manifest.HeadIndex("zeros"), manifest.Base(manifest.ID(b)))
	// Output:
	// zeros 2 34464 <nil>
	// 5979657951101315 4249293460340736
}
