// Package benchmarks compares github.com/fetchsse/sse with other Go clients for event
// streams, and with programs that do only the unavoidable part of the work.
//
// The command cmd/compare runs all measurements and writes the tables and the chart, and
// cmd/scale those of many streams. The tests compare the events of every parser with those
// of the streams.
package benchmarks
