package migrate

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/fetchsse/sse"
)

// A chunk is the part of an event's JSON that the programs print.
type chunk struct{ Text string }

func beforeScanner(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"prompt":"Hello!"}`))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	scanner := bufio.NewScanner(resp.Body)
	for scanner.Scan() {
		data, ok := strings.CutPrefix(scanner.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			break
		}
		var c chunk
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			return err
		}
		fmt.Fprintln(out, c.Text)
	}
	return scanner.Err()
}

func afterScanner(ctx context.Context, url string, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"prompt":"Hello!"}`))
	if err != nil {
		return err
	}
	stream, err := sse.Fetch(req, sse.WithDone("[DONE]"))
	if err != nil {
		return err
	}
	for c, err := range sse.Decode[chunk](stream) {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, c.Text)
	}
	return nil
}

// afterScannerReader reads the events of a reader, such as a file.
func afterScannerReader(r io.Reader, out io.Writer) error {
	parser := sse.NewParser(r)
	for c, err := range sse.Decode[chunk](parser) {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, c.Text)
	}
	return nil
}
