// Package behaviour compares the behaviour of this library with that of other Go clients.
// Each cell of the tables in docs/comparison.md is the result of one test, which runs a
// client against a server on the loopback interface:
//
//	go test ./behaviour                                   # measure all cells and compare them with the page
//	go test ./behaviour -update                           # measure them and write the page
//	go test -v -run Behaviour/cr-lines/r3labs ./behaviour # measure one cell
//
// The package has only tests. They are apart from package benchmarks because openai-go
// takes long to compile.
package behaviour
