// Package benchmarks measures github.com/fetchsse/sse side by side with other Go
// consumers of event streams, and with the floors below which none can get.
//
// The command cmd/compare runs everything and writes the table and the chart;
// the tests check that every parser's events are right, or say where they are not.
package benchmarks
