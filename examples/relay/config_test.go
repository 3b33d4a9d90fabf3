package main

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// parse parses arguments, with a file of that text if there is any.
func parse(t *testing.T, yaml string, args ...string) (config, error) {
	t.Helper()
	if yaml != "" {
		name := filepath.Join(t.TempDir(), "relay.yaml")
		require.NoError(t, os.WriteFile(name, []byte(yaml), 0o600))
		args = append([]string{"-config", name}, args...)
	}
	flags := flag.NewFlagSet("relay", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	c, err := parseFlags(flags, args)
	if err == nil {
		err = c.check()
	}
	return c, err
}

const settings = `
nats: nats://nats.test:4222
stream: FEEDS
bucket: LEASES
replicas: 3
lease: 5s
window: 100
duplicates: 10m
sources:
  - name: prices
    url: https://prices.test/feed
    headers: {Authorization: "Bearer ${TEST_TOKEN}", X-Price: "$5"}
    idle_timeout: 1m
`

// The file of README.md has each key that a file can have.
func TestConfigOfTheReadme(t *testing.T) {
	t.Setenv("PRICES_TOKEN", "secret")
	text, err := os.ReadFile("relay.yaml")
	require.NoError(t, err)
	c, err := parse(t, string(text))
	require.NoError(t, err)
	require.Equal(t, []sourceConfig{
		{"prices", "https://example.com/feed", map[string]string{"Authorization": "Bearer secret"}, time.Minute},
	}, c.Sources)
	require.Equal(t, 10*time.Second, c.Lease)
	for key := range reflect.TypeFor[config]().Fields() {
		if name := key.Tag.Get("yaml"); name != "" && name != "-" {
			require.Contains(t, "\n"+string(text), "\n"+name+":")
		}
	}
}

func TestConfig(t *testing.T) {
	t.Setenv("TEST_TOKEN", "secret")
	c, err := parse(t, settings, "-lease", "7s", "-source", "news=http://news.test/?a=b", "-name", "one", "-log", "json")
	require.NoError(t, err)
	require.Equal(t, config{
		Name: "one", Listen: "127.0.0.1:0", Log: "json",
		NATS: "nats://nats.test:4222", Stream: "FEEDS", Bucket: "LEASES", Replicas: 3,
		Lease: 7 * time.Second, Window: 100, Duplicates: 10 * time.Minute,
		Sources: []sourceConfig{
			{"prices", "https://prices.test/feed", map[string]string{"Authorization": "Bearer secret", "X-Price": "$5"}, time.Minute},
			{Name: "news", URL: "http://news.test/?a=b"},
		},
	}, c)
}

// A file may have no settings.
func TestEmptyConfig(t *testing.T) {
	c, err := parse(t, "# none\n", "-source", "a=http://a.test")
	require.NoError(t, err)
	require.Len(t, c.Sources, 1)
}

func TestConfigErrors(t *testing.T) {
	source := []string{"-source", "a=http://a.test"}
	for name, test := range map[string]struct {
		yaml string
		args []string
		want string
	}{
		"no source":        {"", nil, "there is no source"},
		"unknown key":      {"lease_time: 5s", source, "field lease_time not found"},
		"unknown in list":  {"sources: [{name: a, uri: x}]", nil, "field uri not found"},
		"not a duration":   {"lease: 5", source, "cannot unmarshal"},
		"no variable":      {"sources: [{name: a, url: 'http://a.test', headers: {A: '${TEST_UNSET}'}}]", nil, "the environment has no variable TEST_UNSET"},
		"no file":          {"", []string{"-config", "missing.yaml"}, "missing.yaml"},
		"argument":         {"", []string{"-window", "3", "more"}, `unexpected argument "more"`},
		"source form":      {"", []string{"-source", "http://a.test"}, "http://a.test"},
		"source name":      {"", []string{"-source", "a.b=http://a.test"}, `invalid source name "a.b"`},
		"reserved name":    {"", []string{"-source", "_a=http://a.test"}, `invalid source name "_a"`},
		"twice":            {"", append(source, source...), `two sources with the name "a"`},
		"URL":              {"", []string{"-source", "a=file:///a"}, `source "a": the URL`},
		"relay name":       {"", append(source, "-name", "a b"), `invalid name "a b"`},
		"lease":            {"", append(source, "-lease", "10ms"), "invalid lease 10ms"},
		"window":           {"", append(source, "-window", "0"), "invalid window 0"},
		"replicas":         {"", append(source, "-replicas", "0"), "invalid replicas 0"},
		"log":              {"", append(source, "-log", "xml"), `invalid log format "xml"`},
		"duplicates":       {"duplicates: 1ms", source, "invalid duplicates 1ms"},
		"negative timeout": {"sources: [{name: a, url: 'http://a.test', idle_timeout: -1s}]", nil, "invalid idle_timeout -1s"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, test.yaml, test.args...)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// The password of a URL is not in the messages.
func TestConfigErrorWithoutSecrets(t *testing.T) {
	for _, url := range []string{"ftp://user:secret@a.test", "http://user:secret@a b.test", "http://user:secret@a.test/\x7f"} {
		_, err := parse(t, "", "-source", "a="+url)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret")
	}
}

// A URL of NATS that cannot be parsed is not in the message, nor is a part of it: a slash in a
// password makes its start an invalid port.
func TestNATSErrorWithoutSecrets(t *testing.T) {
	for _, url := range []string{"nats://user:secret@127.0.0.1:port", "nats://user:secret@a b", "nats://user:secret/@a.test"} {
		var log bytes.Buffer
		require.Equal(t, 1, run(t.Context(), []string{"-nats", url, "-source", "a=http://a.test"}, &log))
		require.Contains(t, log.String(), "URL of NATS")
		require.NotContains(t, log.String(), "secret")
	}
}

// A mistake in the settings ends the program with a message, and so does one that only the
// broker shows.
func TestExitStatus(t *testing.T) {
	c := testConfig(t)
	l := testLeases(t, c, "first")
	_, err := l.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other.>"}, AllowAtomicPublish: true})
	require.NoError(t, err)
	for _, test := range []struct {
		args []string
		want int
	}{
		{[]string{"-h"}, 0},
		{[]string{"-window", "0"}, 2},
		{[]string{"-nats", c.NATS, "-lease", "2s", "-source", "a=http://a.test"}, 1}, // the bucket has 1s
		{[]string{"-nats", c.NATS, "-stream", "a.b", "-source", "a=http://a.test"}, 1},
		{[]string{"-nats", c.NATS, "-bucket", "a b", "-source", "a=http://a.test"}, 1},
		{[]string{"-nats", c.NATS, "-stream", "OTHER", "-source", "a=http://a.test"}, 1}, // its subjects differ
	} {
		require.Equal(t, test.want, run(t.Context(), test.args, testLog()))
	}
}
