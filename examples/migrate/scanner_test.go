package migrate

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/fetchsse/sse/ssetest"
	"github.com/stretchr/testify/require"
)

func TestScanner(t *testing.T) {
	t.Parallel()
	script := ssetest.Script{ssetest.Comment("wait"), ssetest.Data(`{"text":"Good"}`, `{"text":"morning!"}`, "[DONE]")}
	require.Equal(t, "Good\nmorning!\n", same(t, beforeScanner, afterScanner, script))
}

// The loop knows one of the ways in which the standard allows to write an event.
func TestScannerOtherWays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ stream, want string }{
		"no space":        {"data:{\"text\":\"Good\"}\n\n", ""},
		"carriage return": {"data: {\"text\":\"Good\"}\r\rdata: [DONE]\r\r", "invalid character"},
		"two lines":       {"data: {\"text\":\ndata: \"Good\"}\n\n", "unexpected end of JSON input"},
		"byte order mark": {"\ufeffdata: {\"text\":\"Good\"}\n\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			script := ssetest.Script{ssetest.Raw(c.stream), ssetest.Data("[DONE]")}
			old := run(t, beforeScanner, script)
			require.Empty(t, old.out)
			if c.want == "" {
				require.NoError(t, old.err) // the event is lost
			} else {
				require.ErrorContains(t, old.err, c.want)
			}
			ours := run(t, afterScanner, script)
			require.NoError(t, ours.err)
			require.Equal(t, "Good\n", ours.out)
		})
	}
}

func TestScannerLongLine(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", bufio.MaxScanTokenSize)
	script := ssetest.Script{ssetest.Data(`{"text":"`+text+`"}`, "[DONE]")}
	require.ErrorIs(t, run(t, beforeScanner, script).err, bufio.ErrTooLong)
	ours := run(t, afterScanner, script)
	require.NoError(t, ours.err)
	require.Equal(t, text+"\n", ours.out)
}

// The loop takes half a response for a whole one, and reads the last line of half an event.
func TestScannerTruncated(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string]string{"": "Good\n", `data: {"text":"morn"}`: "Good\nmorn\n"} {
		script := ssetest.Script{ssetest.Data(`{"text":"Good"}`), ssetest.Raw(rest)}
		old := run(t, beforeScanner, script)
		require.NoError(t, old.err)
		require.Equal(t, want, old.out)
		ours := run(t, afterScanner, script)
		truncated(t, ours)
		require.Equal(t, "Good\n", ours.out)
	}
}

// A page of a proxy is an empty response for the loop.
func TestScannerNotAStream(t *testing.T) {
	t.Parallel()
	old := run(t, beforeScanner, page)
	require.NoError(t, old.err)
	require.Empty(t, old.out)
	refused(t, run(t, afterScanner, page), 200)
}

func TestScannerReader(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, afterScannerReader(strings.NewReader("data: {\"text\":\"Good\"}\n\ndata: {\"text\":\"half"), &out))
	require.Equal(t, "Good\n", out.String()) // a Parser does not know whether the stream is complete
}
