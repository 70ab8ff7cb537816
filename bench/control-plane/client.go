// A client of the API server that costs little: requests and answers are bytes of JSON.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	asJSON     = "application/json"
	mergePatch = "application/merge-patch+json"
	// answerTime is how long an answer may take.
	answerTime = 30 * time.Second
	// attempts is how often a request is sent that the API server has no place for. client-go has the same limit.
	attempts = 10
)

type client struct {
	server  string
	http    *http.Client
	tooMany atomic.Int64 // answers 429
}

// newClient makes a client with the certificate NAME.crt of the folder, with one HTTP/2 connection as client-go has.
func newClient(server, folder, name string) (*client, error) {
	file := func(name string) string { return filepath.Join(folder, name) }
	certificate, err := tls.LoadX509KeyPair(file(name+".crt"), file(name+".key"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(file("ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &client{server: server, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots},
		ForceAttemptHTTP2: true, DisableCompression: true,
	}}}, nil
}

// problem is an answer that is an error.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return fmt.Sprintf("status %d: %.300s", p.status, p.text) }

func statusOf(err error) int {
	if p, ok := err.(*problem); ok {
		return p.status
	}
	return 0
}

func (c *client) once(ctx context.Context, method, path, kind, body string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", asJSON)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	return c.http.Do(request)
}

// do sends a request, again where the API server says when, and reads the answer into result, if that is not nil.
func (c *client) do(ctx context.Context, method, path, kind, body string, result any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for attempt := 1; ; attempt++ {
		response, err := c.once(ctx, method, path, kind, body)
		if err != nil {
			return err
		}
		text, err := readAll(response)
		if err != nil {
			return err
		}
		if response.StatusCode == http.StatusTooManyRequests {
			c.tooMany.Add(1)
			seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
			if err == nil && attempt < attempts {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Duration(seconds) * time.Second):
				}
				continue
			}
		}
		if response.StatusCode >= 300 {
			return &problem{response.StatusCode, string(text)}
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(text, result)
	}
}

func readAll(response *http.Response) ([]byte, error) {
	defer response.Body.Close() //nolint:errcheck // read only
	return io.ReadAll(response.Body)
}

func (c *client) get(ctx context.Context, path string, result any) error {
	return c.do(ctx, http.MethodGet, path, "", "", result)
}

func (c *client) post(ctx context.Context, path, body string) error {
	return c.do(ctx, http.MethodPost, path, asJSON, body, nil)
}

func (c *client) patch(ctx context.Context, path, kind, body string) error {
	return c.do(ctx, http.MethodPatch, path, kind, body, nil)
}

// watch opens a watch. Closing the body ends it.
func (c *client) watch(ctx context.Context, path string) (io.ReadCloser, error) {
	response, err := c.once(ctx, http.MethodGet, path, "", "")
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := readAll(response) //nolint:errcheck // it is only quoted
		return nil, &problem{response.StatusCode, string(text)}
	}
	return response.Body, nil
}
