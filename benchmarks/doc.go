// Package benchmarks compares github.com/fetchsse/sse with other Go clients for event
// streams, and with programs that do only the unavoidable part of the work.
//
// The command cmd/compare runs the measurements and writes the tables of the README and the
// chart. The commands cmd/scale, cmd/idle and cmd/typed measure many streams, idle streams
// beside WebSockets, and decoded chunks. The tests compare the events of every parser with
// those of the streams.
package benchmarks
