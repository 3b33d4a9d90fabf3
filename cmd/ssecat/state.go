package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A state is the file of --state. It has the ID of the last event that was printed:
//
//	{"id":"41"}
//
// The ID is saved after the output was written. If the program is killed in between, the
// next run gets the event again: at least once. If the output goes to a regular file, the
// state tells before the output is written what it will be, and where:
//
//	{"id":"40","next":{"id":"41","size":1234,"output":"…"}}
//
// The next run then looks into the file and writes what is missing there: exactly once.
type state struct {
	path   string
	out    *os.File
	isFile bool // out is a regular file
	place
}

type place struct {
	ID   string `json:"id"`
	Next *next  `json:"next,omitempty"`
}

// A next is output that may have been written.
type next struct {
	ID     string `json:"id"`
	Size   int64  `json:"size"` // of the file before it
	Output []byte `json:"output"`
}

// openState reads the state and completes the output that it announces.
func openState(path string, out *os.File) (*state, error) {
	info, err := out.Stat()
	if err != nil {
		return nil, err
	}
	s := &state{path: path, out: out, isFile: info.Mode().IsRegular()}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.place)
	}
	if err != nil {
		return nil, fmt.Errorf("--state: %s could not be read: %w", path, err)
	}
	if s.Next == nil {
		return s, nil
	}
	if _, err := out.Write(s.missing(info)); err != nil {
		return nil, err
	}
	return s, s.save(s.Next.ID)
}

// missing returns the part of the announced output that has not been written.
func (s *state) missing(info fs.FileInfo) []byte {
	written := info.Size() - s.Next.Size
	if !s.isFile || written <= 0 { // another file, perhaps
		return s.Next.Output
	}
	tail, err := readTail(s.out, s.Next.Size, min(written, int64(len(s.Next.Output))))
	if err == nil && bytes.HasPrefix(s.Next.Output, tail) {
		return s.Next.Output[len(tail):]
	}
	return s.Next.Output // the file has something else there
}

// readTail reads n bytes of a file at offset. Shells open standard output for writing only,
// and Linux can open it again.
func readTail(f *os.File, offset, n int64) ([]byte, error) {
	tail := make([]byte, n)
	_, err := f.ReadAt(tail, offset)
	if err == nil || err == io.EOF {
		return tail, err
	}
	again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return nil, err
	}
	defer again.Close()
	_, err = again.ReadAt(tail, offset)
	return tail, err
}

// announce saves what will be written next, if that can be checked later.
func (s *state) announce(id string, output []byte) error {
	if !s.isFile {
		return nil
	}
	info, err := s.out.Stat()
	if err != nil {
		return err
	}
	return s.write(place{ID: s.ID, Next: &next{ID: id, Size: info.Size(), Output: output}})
}

// save saves that the event with this ID was printed.
func (s *state) save(id string) error { return s.write(place{ID: id}) }

// write replaces the file in one step.
func (s *state) write(p place) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path)+".new")
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(temporary, s.path); err != nil {
		return err
	}
	s.place = p
	return nil
}
