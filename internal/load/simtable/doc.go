// Command simtable makes the table of docs/results.md that holds simulations
// against their targets. It reads the result.json of each run, copies the plots
// that the document shows, and writes everything between two marks of the
// document anew; what people wrote around it stays.
//
//	go run ./internal/load/simtable -results .cache/results
package main
