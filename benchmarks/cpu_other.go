//go:build !unix

package benchmarks

import "time"

// cpuTime returns the wall clock, because the CPU time is not available on this system.
func cpuTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
