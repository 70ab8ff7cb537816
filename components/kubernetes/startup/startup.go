// Package startup delays programs of a cluster until the API server is ready, so that all programs can be started at
// the same time on a small machine.
package startup

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"
)

// APIReady is the variable with the URL of the API server's /readyz, which returns 200 when it is ready. Without it
// AwaitAPI does not wait.
const APIReady = "HYPERKUBE_API_READY"

// pause is the interval between requests. Each request takes processor time from the API server while it is starting.
const pause = time.Second

// patience is AwaitAPI's total timeout, answer the timeout of one request.
const (
	patience = 5 * time.Minute
	answer   = 10 * time.Second
)

// AwaitAPI returns when the server at url is running, immediately if url is empty, and otherwise after a timeout of
// some minutes. After the timeout, the program starts as upstream's does and reports errors itself.
//
// A kubelet starts all programs of a control plane at once. Upstream's controller manager waits ten seconds for an API
// server, exits, and is restarted with exponential backoff. On a small machine an API server takes longer, and each
// restart of another program delays it further. A server that is not ready returns 500 or 503, and 429 when it has too
// many requests. Any other status means that the server is running, such as 401 if anonymous access is disabled.
func AwaitAPI(url string, words io.Writer) error {
	return AwaitAPIContext(context.Background(), url, words)
}

// AwaitAPIContext is like AwaitAPI, and returns when ctx ends.
func AwaitAPIContext(ctx context.Context, url string, words io.Writer) error {
	return await(ctx, url, words, pause, answer, patience)
}

func await(ctx context.Context, url string, words io.Writer, pause, answer, patience time.Duration) error {
	if url == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("%s: %w", APIReady, err)
	}
	if request.URL.Host == "" {
		return fmt.Errorf("%s: %q has no host", APIReady, url)
	}
	// The certificate is not verified: no secret is sent, and only the status is used. The connection is kept, since each
	// new one requires a signature.
	client := &http.Client{
		Timeout:   answer,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // see above
		// A redirect means that the server is running; other hosts are not contacted.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	began, told, last := time.Now(), false, "no answer"
	say := func(format string, arguments ...any) {
		fmt.Fprintf(words, "hyperkube: "+format+"\n", arguments...) //nolint:errcheck // a log message
	}
	for {
		response, err := client.Do(request)
		if err == nil {
			io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)) //nolint:errcheck // a broken connection is replaced
			response.Body.Close()                                     //nolint:errcheck // read only
			last = response.Status
			if response.StatusCode < http.StatusInternalServerError && response.StatusCode != http.StatusTooManyRequests {
				break
			}
		} else {
			last = err.Error()
		}
		if !told {
			say("waiting for %s", url)
			told = true
		}
		select {
		case <-ctx.Done():
			say("%s is not ready after %.0f s (%s); starting without it", url, time.Since(began).Seconds(), last)
			return nil
		case <-time.After(pause):
		}
	}
	if told {
		say("%s answered after %.1f s: %s", url, time.Since(began).Seconds(), last)
	}
	return nil
}
