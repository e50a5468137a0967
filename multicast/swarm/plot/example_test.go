package plot_test

import (
	"bytes"
	"fmt"

	"github.com/ringcast/ringcast/multicast/swarm/plot"
)

func ExampleChart() {
	c := plot.Chart{
		Title: "Delay", X: "time (s)", Y: "delay (s)",
		Lines: []plot.Line{{Name: "median", X: []float64{0, 1, 2}, Y: []float64{0.2, 0.3, 0.25}}},
	}
	svg := c.AppendSVG(nil)
	fmt.Println(bytes.HasPrefix(svg, []byte("<svg")), bytes.Contains(svg, []byte("median")))
	// Output: true true
}
