package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/fetchsse/sse/internal/header"
	"github.com/fetchsse/sse/llm"
)

// The options are the values of the command line.
type options struct {
	help bool

	// The request.
	url         *url.URL
	method      string
	header      http.Header
	body        []byte // nil without a body
	json        bool   // the body was given with --json
	user        string
	insecure    bool
	cacert      string
	http1       bool
	http2       bool
	proxy       *url.URL // nil for that of the environment
	openTimeout time.Duration
	anyType     bool

	// The stream.
	subscribe   bool
	modeSet     bool // by --once or --subscribe
	lastEventID string
	state       string
	retryMax    int // -1 for the default
	idleTimeout time.Duration
	maxTime     time.Duration
	done        list
	until       list
	errors      list
	dialect     llm.Dialect

	// The output.
	types    list
	jsonl    bool
	raw      bool
	template *template.Template
	field    list // the path of --field
	output   string

	// Messages.
	silent, showError bool
	verbose           bool
	include           bool
	showSecrets       bool

	// Recordings.
	record, replay, serve string
}

// A list is the value of a flag that can be repeated.
type list []string

func (l *list) add(s string) error    { *l = append(*l, s); return nil }
func (l list) has(s string) bool      { return slices.Contains(l, s) }
func (l list) allows(typ string) bool { return len(l) == 0 || l.has(typ) }

// dialects are the names of --dialect.
var dialects = map[string]llm.Dialect{
	"openai": llm.OpenAIChat, "responses": llm.OpenAIResponses, "anthropic": llm.Anthropic,
	"gemini": llm.Gemini, "interactions": llm.GeminiInteractions, "cohere": llm.Cohere,
	"perplexity": llm.Perplexity, "replicate": llm.Replicate, "dify": llm.Dify, "aisdk": llm.AISDK,
}

// parse returns the options of a command line. Its errors show no values, which may be
// secret.
func parse(args []string, stdin io.Reader) (*options, error) {
	o := &options{header: http.Header{"User-Agent": {"ssecat"}}, retryMax: -1}
	var once bool
	flags := o.flags(stdin, &once)
	operands, err := walk(flags, args)
	if err != nil || o.help {
		return o, err
	}
	set := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { set[f.Name] = true })
	formats := 0
	for _, name := range []string{"jsonl", "raw", "template", "field"} {
		if set[name] {
			formats++
		}
	}
	switch {
	case o.serve != "" && o.replay == "":
		return nil, errors.New("--serve needs --replay")
	case len(operands) == 0 && o.replay == "":
		return nil, errors.New("give the URL")
	case len(operands) > 1 || len(operands) == 1 && o.replay != "":
		return nil, errors.New("give one URL, or --replay")
	case once && o.subscribe:
		return nil, errors.New("give --once or --subscribe")
	case formats > 1:
		return nil, errors.New("give one of --jsonl, --raw, --template and --field")
	case o.raw && (o.state != "" || len(o.types) > 0):
		return nil, errors.New("--raw prints bytes and not events: --state and --type need another format")
	case o.dialect != 0 && len(o.done) > 0:
		return nil, errors.New("--done: the --dialect knows how its responses end")
	case o.http1 && o.http2:
		return nil, errors.New("give --http1.1 or --http2")
	}
	if len(operands) == 1 {
		address := operands[0]
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		o.url, err = url.Parse(address)
		switch {
		case err != nil || o.url.Hostname() == "":
			return nil, errors.New("the URL is invalid")
		case o.url.Scheme != "http" && o.url.Scheme != "https":
			return nil, errors.New("use http:// or https://")
		}
	}
	if o.method == "" {
		o.method = http.MethodGet
		if o.body != nil {
			o.method = http.MethodPost
		}
	}
	if err := o.checkTemplate(); err != nil {
		return nil, err
	}
	o.modeSet = once || o.subscribe
	o.subscribe = o.subscribe || !once && o.method == http.MethodGet && o.dialect == 0
	return o, nil
}

// flags returns the flags, which set o. The help describes them.
func (o *options) flags(stdin io.Reader, once *bool) *flag.FlagSet {
	fs := flag.NewFlagSet("ssecat", flag.ContinueOnError)
	noEffect := new(bool)
	for names, value := range map[string]*bool{
		"h help": &o.help, "k insecure": &o.insecure, "http1.1": &o.http1, "http2": &o.http2, "any-type": &o.anyType,
		"s silent": &o.silent, "S show-error": &o.showError, "v verbose": &o.verbose, "i include": &o.include,
		"show-secrets": &o.showSecrets, "once": once, "subscribe": &o.subscribe, "jsonl": &o.jsonl, "raw": &o.raw,
		"N no-buffer": noEffect, "L location": noEffect, "f fail": noEffect, "fail-with-body": noEffect, "compressed": noEffect,
	} {
		for name := range strings.FieldsSeq(names) {
			fs.BoolVar(value, name, false, "")
		}
	}
	for names, value := range map[string]*string{
		"X request": &o.method, "u user": &o.user, "cacert": &o.cacert, "o output": &o.output,
		"last-event-id": &o.lastEventID, "state": &o.state, "record": &o.record, "replay": &o.replay, "serve": &o.serve,
	} {
		for name := range strings.FieldsSeq(names) {
			fs.StringVar(value, name, "", "")
		}
	}
	for names, set := range map[string]func(string) error{
		"H header":     func(s string) error { return o.addHeaders(s, stdin) },
		"A user-agent": func(s string) error { o.header.Set("User-Agent", s); return nil },
		"b cookie":     func(s string) error { o.header.Add("Cookie", s); return nil },
		"d data":       func(s string) error { return o.addBody(s, "&", stdin) },
		"data-binary":  func(s string) error { return o.addBody(s, "&", stdin) },
		"data-raw":     func(s string) error { return o.appendBody([]byte(s), "&") },
		"json":         func(s string) error { o.json = true; return o.addBody(s, "", stdin) },
		"x proxy":      o.setProxy,
		"m max-time":   seconds(&o.maxTime),
		"idle-timeout": seconds(&o.idleTimeout),
		"open-timeout": seconds(&o.openTimeout),
		"retry-max":    o.setRetryMax,
		"done":         o.done.add,
		"until":        o.until.add,
		"error":        o.errors.add,
		"t type":       o.types.add,
		"dialect":      o.setDialect,
		"template":     o.setTemplate,
		"field":        func(s string) error { o.field = strings.Split(s, "."); return nil },
	} {
		for name := range strings.FieldsSeq(names) {
			fs.Func(name, "", set)
		}
	}
	return fs
}

// walk sets the flags in args as curl would: flags may follow the URL, -XPOST is -X POST,
// and -sv is -s -v. As package flag does, it also takes -once for --once, and
// --max-time=5.
func walk(fs *flag.FlagSet, args []string) (operands []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			return append(operands, args...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			operands = append(operands, arg)
			continue
		}
		long, isLong := strings.CutPrefix(arg, "--")
		if !isLong {
			long = arg[1:]
		}
		name, value, hasValue := strings.Cut(long, "=")
		f := fs.Lookup(name)
		if !isLong && (len(name) == 1 || f == nil) {
			name = arg[1:2]
			f = fs.Lookup(name)
			value = arg[2:]
			hasValue = value != ""
			if f != nil && isBool(f) && hasValue {
				args = append([]string{"-" + value}, args...)
				value, hasValue = "", false
			}
		}
		dashes := "-"
		if len(name) > 1 {
			dashes = "--"
		}
		switch {
		case f == nil:
			return nil, fmt.Errorf("there is no flag %s%s", dashes, name)
		case !hasValue && isBool(f):
			value = "true"
		case !hasValue && len(args) == 0:
			return nil, fmt.Errorf("%s%s needs a value", dashes, name)
		case !hasValue:
			value, args = args[0], args[1:]
		}
		if err := fs.Set(name, value); err != nil {
			return nil, fmt.Errorf("%s%s: %w", dashes, name, err)
		}
	}
	return operands, nil
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// addHeaders adds a header, or those in a file, one on each line.
func (o *options) addHeaders(s string, stdin io.Reader) error {
	text, err := fromFile(s, stdin)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("a header has no colon")
		}
		if key = http.CanonicalHeaderKey(strings.TrimSpace(key)); key == "User-Agent" {
			o.header.Del(key) // the default
		}
		if value = strings.TrimSpace(value); !header.IsToken(key) || !header.IsValue(value) {
			return errors.New("a header has a character that HTTP does not allow")
		}
		o.header.Add(key, value)
	}
	return nil
}

// addBody adds s, or a file, to the body.
func (o *options) addBody(s, separator string, stdin io.Reader) error {
	text, err := fromFile(s, stdin)
	if err != nil {
		return err
	}
	return o.appendBody(text, separator)
}

func (o *options) appendBody(text []byte, separator string) error {
	if o.body == nil {
		o.body, separator = []byte{}, ""
	}
	o.body = append(append(o.body, separator...), text...)
	return nil
}

// fromFile returns s, the file that it names after an @, or standard input for @-.
func fromFile(s string, stdin io.Reader) ([]byte, error) {
	switch name, isFile := strings.CutPrefix(s, "@"); {
	case !isFile:
		return []byte(s), nil
	case name == "-":
		return io.ReadAll(stdin)
	default:
		return os.ReadFile(name)
	}
}

func (o *options) setProxy(s string) (err error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	if o.proxy, err = url.Parse(s); err != nil || o.proxy.Hostname() == "" {
		return errors.New("the URL is invalid")
	}
	return nil
}

func (o *options) setRetryMax(s string) (err error) {
	if o.retryMax, err = strconv.Atoi(s); err != nil || o.retryMax < 0 {
		return errors.New("give a count, or 0 for no retry")
	}
	return nil
}

func (o *options) setDialect(s string) error {
	o.dialect = dialects[s]
	if o.dialect == 0 {
		return errors.New("use one of " + strings.Join(slices.Sorted(maps.Keys(dialects)), ", "))
	}
	return nil
}

// setTemplate parses the template. Its function json writes a value as JSON.
func (o *options) setTemplate(s string) (err error) {
	o.template, err = template.New("template").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			text, err := json.Marshal(v)
			return string(text), err
		},
	}).Parse(s)
	return err
}

// seconds returns a function that sets d to a number of seconds, as of curl, or to a
// duration such as 1m30s.
func seconds(d *time.Duration) func(string) error {
	const most = 1e9 // 31 years; a Duration holds less than ten times as much
	return func(s string) (err error) {
		if n, bad := strconv.ParseFloat(s, 64); bad == nil && !math.IsNaN(n) {
			*d = time.Duration(min(max(n, 0), most) * float64(time.Second))
		} else if *d, err = time.ParseDuration(s); err != nil {
			return errors.New("give seconds, or a duration such as 1m30s")
		}
		if *d <= 0 {
			return errors.New("give more than 0")
		}
		return nil
	}
}

// contentType returns the type of the body: JSON if it looks like it, else that of curl.
func (o *options) contentType() string {
	text := bytes.TrimSpace(o.body)
	isObject := bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("["))
	if o.json || isObject && json.Valid(text) {
		return "application/json"
	}
	return "application/x-www-form-urlencoded"
}
