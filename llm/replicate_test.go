package llm_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchsse/sse"
	"github.com/fetchsse/sse/llm"
)

const replicateText = `: hi

event: output
id: 17:0
data:

event: logs
id: 17:1
data: {"error":"this is only a log"}

event: output
id: 17:2
data: {"error":"no error"}

event: output
id: 17:3
data: [DONE]
data:
data: error: none

event: output
id: 17:4
data:  end

`

func TestReplicate(t *testing.T) {
	const text = "{\"error\":\"no error\"}[DONE]\n\nerror: none end"
	done := func(data string) string { return "event: done\nid: 17:5\ndata: " + data + "\n\n" }
	const output = "event: output\ndata: Hel\n\n"
	check(t, llm.Replicate, []stream{
		{name: "text like JSON", body: replicateText + done("{}") + ":408: 408 Request Timeout\n\n", text: text},
		{name: "empty done", body: replicateText + done(""), text: text},
		{name: "done that is not JSON", body: replicateText + done("ok"), text: text},
		{name: "succeeded", body: output + done(`{"reason":"succeeded"}`), text: "Hel"},
		{name: "file", body: "event: output\ndata: https://files.test/a.png\n\n" + done("{}"), text: "https://files.test/a.png"},
		{name: "other events", body: "event: ping\ndata: {\n\ndata: x\n\ndata: {}\n\ndata: {x\n\n" + output + done("{}"), text: "Hel"},
		{name: "no done", body: replicateText + ":408: 408 Request Timeout\n\n", text: text, err: "truncated"},
		{name: "without event lines", body: without("event: output\ndata: Hel\n\n"+done("{}"), "event:"), err: "truncated"},
		{name: "canceled", body: output + done(`{"reason":"canceled"}`), text: "Hel", err: "the prediction ended with the reason canceled"},
		{name: "error as the reason", body: output + done(`{"reason":"error"}`), text: "Hel", err: "the prediction ended with the reason error"},
		{name: "reason and error", body: output + done(`{"reason":"error","error":"out of memory"}`), text: "Hel", err: "out of memory"},
		{name: "error event", body: output + "event: error\ndata: {\"detail\":\"NSFW content\"}\n\n" + done(`{"reason":"error"}`), text: "Hel", err: "NSFW content"},
		{name: "error as text", body: output + "event: error\ndata: CUDA out of memory\n\n", text: "Hel", err: "CUDA out of memory"},
		{name: "error of a gateway", body: output + "data: {\"detail\":\"bad gateway\",\"status\":502}\n\n", text: "Hel", err: "bad gateway"},
		{name: "error of a gateway as text", body: output + "data: error: bad gateway\n\n", text: "Hel", err: "bad gateway"},
	})
	require.Equal(t, "canceled", firstError(t, llm.Replicate, done(`{"reason":"canceled"}`)).Type)
	require.Equal(t, 6, readBody(t, llm.Replicate, replicateText+done("{}")).deltas)
}

func TestReplicateBrokenDone(t *testing.T) {
	for _, w := range ways {
		got := w.read(t, llm.Replicate, strings.NewReader("event: output\ndata: Hel\n\nevent: done\ndata: {\n\n"))
		var broken *sse.DecodeError
		require.ErrorAs(t, got.cause, &broken, w.name)
		require.True(t, isTruncated(got.cause), w.name)
	}
}
