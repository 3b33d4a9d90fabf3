package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The scenarios of the official suite, and the flags of the program for each. The suite
// adds the URL of its server. The scenarios auth/* are about OAuth, which the program does
// not speak.
var scenarios = map[string]string{
	"initialize":                          "",
	"tools_call":                          `-call add_numbers -args '{"a":2,"b":3}'`,
	"sse-retry":                           "-call test_reconnection",
	"request-metadata":                    "",
	"elicitation-sep1034-client-defaults": "-listen -answer '{}' -call test_client_elicitation_defaults",
}

const suite = "@modelcontextprotocol/conformance/dist/index.js"

// The suite fails at a failure, a warning or an exit status that is not 0. Its scenarios
// measure times, so this test is not parallel.
func TestConformance(t *testing.T) {
	list, err := node(t, suite, "list", "--client").Output()
	require.NoError(t, err, "the suite needs Node 22; run examples/mcp/install.sh")
	client := filepath.Join(t.TempDir(), "mcp")
	output, err := exec.Command("go", "build", "-o", client, ".").CombinedOutput()
	require.NoErrorf(t, err, "%s", output)

	found := 0
	for _, line := range regexp.MustCompile(`(?m)^\s*- (\S+) \[(.*)\]$`).FindAllStringSubmatch(string(list), -1) {
		flags, ok := scenarios[line[1]]
		if !ok {
			continue
		}
		found++
		for revision := range strings.SplitSeq(line[2], ",") {
			t.Run(line[1]+" "+revision, func(t *testing.T) {
				command := client + " " + flags
				if revision < stateful { // the others are found by the response of the server
					command += " -revision " + revision
				}
				output, err := node(t, suite, "client", "--command", command, "--scenario", line[1], "--spec-version", revision).CombinedOutput()
				require.NoErrorf(t, err, "%s", output)
				require.Contains(t, string(output), "OVERALL: PASSED")
			})
		}
	}
	require.Len(t, scenarios, found)
}
