package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, success, run(t.Context(), []string{"-demo"}, &stdout, &stderr), &stderr)
	lines := withoutWaits(strings.Split(strings.TrimSpace(stdout.String()), "\n"))
	require.Equal(t, slices.Concat(
		[]string{"a server with sessions, whose connections break:"}, wholeCall(stateful), []string{"the tool ran once", ""},
		[]string{"a server without sessions, and a call that is canceled:"}, wholeCall(stateless)[:4],
		[]string{"left the loop; the server has canceled the tool"}), lines)
	require.Equal(t, 2, strings.Count(stdout.String(), "\nwaiting "))
	require.Empty(t, stderr.String())
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	s := newSDKServer(t, mcp.StreamableHTTPOptions{Stateless: true}, nil)
	mcp.AddTool(s.Server, &mcp.Tool{Name: "fail"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: "out of order"}}}, nil, nil
	})
	tokenFile := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(tokenFile, []byte("secret\n"), 0o600))
	url := s.http.URL
	for _, test := range []struct {
		args           []string
		status         int
		stdout, stderr string
	}{
		{[]string{url}, success, "tool fail\ntool slow\n", ""},
		{[]string{"-token-file", tokenFile, url}, success, "tool slow", ""},
		{[]string{"-token-file", "none", url}, failure, "", "open none"},
		{[]string{"-call", "slow", url}, success, "slow but sure\n", ""},
		{[]string{"-call", "fail", url}, failure, "out of order", "the tool reports an error"},
		{[]string{"-call", "none", url}, failure, "", `unknown tool "none"`},
		{[]string{"-h"}, success, "", "usage: mcp"},
		{[]string{"-listen"}, usage, "", "give the URL"},
		{[]string{"-demo", url}, usage, "", "-demo needs nothing else"},
		{[]string{"-revision", "2024-11-05", url}, usage, "", "unknown revision"},
		{[]string{"-args", "[]", url}, usage, "", "-args is not a JSON object"},
		{[]string{"-answer", "perhaps", url}, usage, "", "neither decline nor cancel nor a JSON object"},
		{[]string{"localhost:1/mcp"}, failure, "", "error: "},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, test.status, run(t.Context(), test.args, &stdout, &stderr), "%q: %s", test.args, &stderr)
		require.Contains(t, stdout.String(), test.stdout)
		require.Contains(t, stderr.String(), test.stderr)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	require.Equal(t, interrupted, run(ctx, []string{url}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "canceled: ")
}

// The values are those of the specification.
func TestHeaderValue(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"us-west1":           "us-west1",
		"two words":          "two words",
		"Hello, 世界":          "=?base64?SGVsbG8sIOS4lueVjA==?=",
		" padded ":           "=?base64?IHBhZGRlZCA=?=",
		"line1\nline2":       "=?base64?bGluZTEKbGluZTI=?=",
		"=?base64?literal?=": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=",
	} {
		require.Equal(t, want, headerValue(value))
	}
}

func TestDeclinesAFormThatNeedsMore(t *testing.T) {
	t.Parallel()
	var a answer
	require.NoError(t, a.Set("{}"))
	var out printer
	got := a.elicit([]byte(`{"message":"Who?","requestedSchema":{"properties":{"name":{"type":"string"}},"required":["name"]}}`), out.printf)
	require.Equal(t, elicitation{Action: "decline"}, got)
	require.Equal(t, 1, out.count(`the server requires the field "name"`))

	require.Equal(t, "decline", a.elicit([]byte(`{"mode":"url","url":"https://example.com"}`), out.printf).Action)
	require.Equal(t, methodNotFound, a.respond(message{Method: "roots/list"}, out.printf).Error.Code)
	require.Equal(t, methodNotFound, new(answer).respond(message{Method: "elicitation/create"}, out.printf).Error.Code)
}
