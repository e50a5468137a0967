package vlu_test

import (
	"fmt"

	"github.com/ringcast/ringcast/rtmfp/vlu"
)

func Example() {
	b := vlu.Append(nil, 300)
	v, n, err := vlu.Parse(b)
	fmt.Printf("% x %d %d %v\n", b, v, n, err)
	// Output: 82 2c 300 2 <nil>
}
