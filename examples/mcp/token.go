package main

import (
	"net/http"
	"sync"
)

// A token is a bearer token that expires. It is safe for concurrent use, and nil stands
// for no token.
type token struct {
	source func() (string, error) // of the current token
	mu     sync.Mutex
	value  string // "" before the first use and after renew
}

// renew makes the next call of authorize ask the source.
func (t *token) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value = ""
}

// authorize adds the token to a request.
func (t *token) authorize(req *http.Request) error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value == "" {
		value, err := t.source()
		if err != nil {
			return err
		}
		t.value = value
	}
	req.Header.Set("Authorization", "Bearer "+t.value)
	return nil
}
