// Package plot draws the pictures of a simulation's report as SVG: lines,
// bars, a ring of members with its links, and trees.
//
// Pictures are values; AppendSVG writes one into a page. They carry no styles
// of their own: colours come from the classes of [Style], which the page
// includes once, so that they follow the reader's light or dark setting.
//
//	chart := plot.Chart{Title: "Delay", X: "s", Lines: lines}
//	page = chart.AppendSVG(page)
//
// The same values give the same bytes.
package plot
