package main

const help = `Ssecat prints an event stream (Server-Sent Events) as it arrives.

	ssecat [flags] URL

Watch a feed. A GET reconnects, and resumes after the last event, until Ctrl-C:

	ssecat https://example.com/feed
	ssecat --state feed.json --jsonl https://example.com/feed >>feed.jsonl   # resume in the next run
	ssecat --type price --template '{{.JSON.bid}}' https://example.com/feed

Read a response. Half a response is not a success. A POST is not repeated once the server may have
acted on it; after a 429 or a refused connection it is sent again (--retry-max 0: never):

	ssecat --json '{"q":"x"}' https://example.com/search
	ssecat --json @body.json --done '[DONE]' --jsonl https://example.com/search | jq .data

Read the answer of a language model:

	ssecat --dialect openai -H "Authorization: Bearer $OPENAI_API_KEY" https://api.openai.com/v1/chat/completions \
	  --json '{"model":"gpt-5-mini","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
	ssecat --dialect anthropic -H @headers.txt --json @body.json https://api.anthropic.com/v1/messages
	ssecat --dialect gemini -H "X-Goog-Api-Key: $GEMINI_API_KEY" --json '{"contents":[{"parts":[{"text":"Hello"}]}]}' \
	  'https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse'

Report a bug:

	ssecat --record bug.jsonl https://example.com/feed
	ssecat --replay bug.jsonl

Flags of curl. They may follow the URL, -XPOST is -X POST, and -sv is -s -v:

	-X, --request METHOD    default: GET, or POST with a body
	-H, --header HEADER     "Name: value"; @file has one on each line, @- is standard input
	-d, --data BODY         @file or @- for a file; several are joined with "&". JSON is sent as
	                        application/json, and other bodies as application/x-www-form-urlencoded
	    --data-raw BODY     the same, but @ has no meaning; --data-binary is -d
	    --json BODY         as -d, with Content-Type: application/json and Accept: text/event-stream
	-u, --user USER:PASSWORD
	-A, --user-agent NAME
	-b, --cookie COOKIES    "name=value; name=value"
	-k, --insecure          accept any certificate
	    --cacert FILE       trust the certificates of this PEM file
	    --http1.1, --http2  only this version; over http://, --http2 needs no upgrade
	-x, --proxy URL         default: HTTP_PROXY, HTTPS_PROXY and NO_PROXY
	-m, --max-time TIME     for everything; seconds, or a duration such as 1m30s
	-o, --output FILE       in place of standard output; with --state, append to it
	-i, --include           print status and headers of each response before its events
	-v, --verbose           tell on standard error what happens
	-s, --silent            no status line, note or error message; -S, --show-error: but the last error
	-h, --help              print this
	-N, -L, -f, --compressed and their long names have no effect, but a pasted command may have them

The stream:

	--once                  read one response; the default with --dialect, and unless the method is GET
	--subscribe             reconnect after every disconnect; the default for GET
	--last-event-id ID      resume after this event
	--state FILE            keep the ID of the last event that was printed or filtered out, and resume
	                        there; use one file for each URL. If it has an ID, --last-event-id is
	                        ignored. If the program is killed, no event is lost. None is printed twice
	                        if the output is a regular file; elsewhere the last one may be
	--retry-max N           end after N attempts without progress: a new event ID, or any event if there
	                        are no IDs; default: 2, no limit for --subscribe
	--open-timeout TIME     for the response headers; default: 2m, 10m with --dialect
	--idle-timeout TIME     for the silence of the server, comments included; default: no limit
	--done DATA             complete at the event with this data, which is not printed; repeatable
	--until TYPE            complete at the first event of this type, which is printed; repeatable
	--error TYPE            an event of this type is an error of the server; repeatable
	--dialect NAME          what completes a response, what is an error and where the text is: openai,
	                        responses, anthropic, gemini, interactions, cohere, perplexity, replicate,
	                        dify or aisdk. openai is what most servers speak
	--any-type              accept responses that are not text/event-stream

The output, each event at once:

	                        the data and a newline; with --dialect the text, as it is
	--jsonl                 a JSON object on each line: type, id, data, time of arrival
	--raw                   the bytes as they arrive
	--template TEXT         a template of Go, and a newline after each event: .Type .ID .Data .Time
	                        .JSON, with --dialect also .Delta.Text and .Delta.Reasoning;
	                        {{json .JSON.usage}} writes a value as JSON. Events that lack what it
	                        needs, such as JSON, are skipped with a note
	--field PATH            one value of JSON data, without a newline: a.b.1 is the second element of b
	                        in a. This joins pieces of text, as choices.0.delta.content does. For a
	                        newline after each value, use --template; for more, pipe --jsonl to jq
	-t, --type TYPE         print only events of this type; repeatable

On a terminal, the data follows the type and the ID, if there are any, and a line on standard
error shows the connection. NO_COLOR=1 turns colors off, and -s the line. Elsewhere, standard error
has a line when an outage begins and when its cause changes; -s turns that off too.

Recordings:

	--record FILE           write what arrives, with its times. The file has no request body, no query
	                        and no header that may be secret, but everything that the stream says
	--replay FILE           read from a recording, with its pauses and cuts, in place of a URL
	--serve ADDRESS         with --replay: serve it to other programs, for example at localhost:8080
	--show-secrets          let -v and -i show all headers, and -v the values of the query

Exit status:

	0    complete: the response has ended, the completion event came, or the server ended the feed
	1    another failure, such as no event in the format of --dialect
	2    wrong command line, or a file that it names cannot be read
	7    no response: unknown host, refused connection, untrusted certificate, lost connection
	10   the server reported an error in the stream
	18   truncated: the response ended or broke before it was complete
	22   the response is not an event stream, but an HTTP error or another type
	23   the output, the state or the recording could not be written, or the state could not be read;
	     also if the reader of a pipe ended
	28   a timeout: --max-time, --open-timeout or --idle-timeout
	130  interrupted by Ctrl-C
	143  ended by SIGTERM, as shells report it
`
