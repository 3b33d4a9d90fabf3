// Package e2e contains the tests of package sse that need only its exported API and
// concern more than one of its source files: hostile servers, real sockets, streams that
// are cut after every byte, streams of services, concurrent use, a soak test, and the
// code that the documents quote.
package e2e
