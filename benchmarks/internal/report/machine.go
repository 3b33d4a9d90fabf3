package report

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// A Machine describes the machine of the measurements.
type Machine struct {
	OS, Arch, CPU string
	CPUs          int
	GoVersion     string
}

// ThisMachine describes the machine of this process.
func ThisMachine() Machine {
	return Machine{runtime.GOOS, runtime.GOARCH, cpuModel(), runtime.NumCPU(), runtime.Version()}
}

// cpuModel returns the name of the processor, or the architecture if the name is unknown.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, _ := strings.Cut(s.Text(), ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d CPUs, %s/%s, %s", m.CPU, m.CPUs, m.OS, m.Arch, m.GoVersion)
}

// Header returns the lines with which a file of results for benchstat begins.
func (m Machine) Header() string {
	return fmt.Sprintf("goos: %s\ngoarch: %s\npkg: github.com/fetchsse/sse/benchmarks\ncpu: %s\n", m.OS, m.Arch, m.CPU)
}
