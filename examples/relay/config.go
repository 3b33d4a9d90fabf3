package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A config has the settings of a relay.
type config struct {
	Name   string `yaml:"-"` // of this relay, in its leases
	Listen string `yaml:"-"`
	Log    string `yaml:"-"` // text or json

	NATS       string         `yaml:"nats"`
	Stream     string         `yaml:"stream"`
	Bucket     string         `yaml:"bucket"`
	Replicas   int            `yaml:"replicas"`
	Lease      time.Duration  `yaml:"lease"`
	Window     int            `yaml:"window"`
	Duplicates time.Duration  `yaml:"duplicates"`
	Sources    []sourceConfig `yaml:"sources"`
}

// A sourceConfig is an event stream to read.
type sourceConfig struct {
	Name        string            `yaml:"name"`
	URL         string            `yaml:"url"`
	Headers     map[string]string `yaml:"headers"`
	IdleTimeout time.Duration     `yaml:"idle_timeout"`
}

func defaultConfig() config {
	host, err := os.Hostname()
	if err != nil {
		host = "relay"
	}
	return config{
		Name:       unnamed.ReplaceAllString(fmt.Sprintf("%s-%d", host, os.Getpid()), "-"),
		Listen:     "127.0.0.1:0",
		Log:        "text",
		NATS:       "nats://127.0.0.1:4222",
		Stream:     "EVENTS",
		Bucket:     "RELAY",
		Replicas:   1,
		Lease:      10 * time.Second,
		Window:     4096,
		Duplicates: 2 * time.Minute,
	}
}

// parseFlags parses the flags of a relay, beside those that flags already has, and the file
// of -config. The flags override the file.
func parseFlags(flags *flag.FlagSet, args []string) (config, error) {
	c := defaultConfig()
	var named []sourceConfig
	file := flags.String("config", "", "YAML `file` with the settings, which the flags override")
	flags.StringVar(&c.NATS, "nats", c.NATS, "`URL` of NATS")
	flags.StringVar(&c.Name, "name", c.Name, "`name` of this relay in its leases")
	flags.StringVar(&c.Listen, "listen", c.Listen, "`address` for /metrics, /healthz and /readyz")
	flags.StringVar(&c.Stream, "stream", c.Stream, "`name` of the JetStream stream")
	flags.StringVar(&c.Bucket, "bucket", c.Bucket, "`name` of the key-value bucket for the leases")
	flags.IntVar(&c.Replicas, "replicas", c.Replicas, "replicas of the stream and of the bucket, if the relay creates them")
	flags.DurationVar(&c.Lease, "lease", c.Lease, "`time` after which a lease ends that is not renewed")
	flags.IntVar(&c.Window, "window", c.Window, "limit for the `messages` of a source that wait for the broker")
	flags.StringVar(&c.Log, "log", c.Log, "`format` of the log: text or json")
	flags.Func("source", "`name=URL` of an event stream; repeatable", func(s string) error {
		name, address, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("the form is name=URL")
		}
		named = append(named, sourceConfig{Name: name, URL: address})
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *file != "" {
		if err := c.read(*file); err != nil {
			return c, err
		}
		named = nil
		if err := flags.Parse(args); err != nil { // again, over the file
			return c, err
		}
	}
	c.Sources = append(c.Sources, named...)
	return c, nil
}

// read reads a YAML file over the settings.
func (c *config) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && err != io.EOF { // that of an empty file
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, s := range c.Sources {
		for key, value := range s.Headers {
			if s.Headers[key], err = expand(value); err != nil {
				return fmt.Errorf("%s: source %q: header %s: %w", name, s.Name, key, err)
			}
		}
	}
	return nil
}

var (
	variable  = regexp.MustCompile(`\$\{([^}]*)\}`)
	validName = regexp.MustCompile(`^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$`)
	unnamed   = regexp.MustCompile(`[^A-Za-z0-9-]+`)
)

// expand replaces each ${NAME} with the environment variable. Other dollar signs stay.
func expand(s string) (_ string, err error) {
	return variable.ReplaceAllStringFunc(s, func(v string) string {
		value, ok := os.LookupEnv(v[2 : len(v)-1])
		if !ok {
			err = fmt.Errorf("the environment has no variable %s", v[2:len(v)-1])
		}
		return value
	}), err
}

// check returns an error unless a relay can run with the settings.
func (c *config) check() error {
	switch {
	case !validName.MatchString(c.Name):
		return fmt.Errorf("invalid name %q: it has to match %v", c.Name, validName)
	case c.Log != "text" && c.Log != "json":
		return fmt.Errorf("invalid log format %q: it has to be text or json", c.Log)
	case c.Replicas < 1:
		return fmt.Errorf("invalid replicas %d: there has to be at least one", c.Replicas)
	case c.Lease < time.Second:
		return fmt.Errorf("invalid lease %v: it has to last for at least 1s", c.Lease)
	case c.Window < 1:
		return fmt.Errorf("invalid window %d: it has to hold at least one message", c.Window)
	case c.Duplicates < 100*time.Millisecond:
		return fmt.Errorf("invalid duplicates %v: it has to last for at least 100ms", c.Duplicates)
	case len(c.Sources) == 0:
		return errors.New("there is no source; see -source and -config")
	}
	seen := map[string]bool{}
	for _, s := range c.Sources {
		switch {
		case !validName.MatchString(s.Name):
			return fmt.Errorf("invalid source name %q: it has to match %v", s.Name, validName)
		case seen[s.Name]:
			return fmt.Errorf("there are two sources with the name %q", s.Name)
		case s.IdleTimeout < 0:
			return fmt.Errorf("source %q: invalid idle_timeout %v", s.Name, s.IdleTimeout)
		}
		seen[s.Name] = true
		u, err := url.Parse(s.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			// The URL may have a password in it.
			return fmt.Errorf("source %q: the URL is not one of http or https", s.Name)
		}
		if _, err := http.NewRequest(http.MethodGet, s.URL, nil); err != nil {
			return fmt.Errorf("source %q: the URL is invalid", s.Name)
		}
	}
	return nil
}
