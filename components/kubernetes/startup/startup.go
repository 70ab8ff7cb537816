// Package startup is what programs of a cluster do before they begin, so that a dozen of them can begin at once on a
// small machine.
package startup

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"
)

// APIReady is the variable that holds the URL of the API server's /readyz, which says 200 when it is ready. Without it
// nobody waits.
const APIReady = "HYPERKUBE_API_READY"

// pause between two questions: each is work for who is asked, and has the least time for it when it is asked most.
const pause = time.Second

// patience is how long AwaitAPI waits altogether, and answer how long for one answer.
const (
	patience = 5 * time.Minute
	answer   = 10 * time.Second
)

// AwaitAPI returns once url is answered by a server that runs, at once if url is empty, and after some minutes in any
// case: the program then begins as upstream's does, and says itself what is wrong.
//
// A kubelet starts all of a control plane at once. Upstream's controller manager gives an API server ten seconds and
// ends then, and is started again after a pause that doubles each time; on a small machine an API server takes longer,
// the more so the more often others start beside it. A server that is not ready says 500 or 503, and 429 when too many
// ask. Any other answer is one of a server that runs: 401 where an administrator has turned anonymous access off.
func AwaitAPI(url string, words io.Writer) error {
	return AwaitAPIContext(context.Background(), url, words)
}

// AwaitAPIContext is AwaitAPI that returns as soon as ctx ends.
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
	// Nothing is sent and nothing of the answer is believed, so it does not matter who gives it. The connection stays:
	// each new one is a signature.
	client := &http.Client{
		Timeout:   answer,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // see above
		// Where to is no answer either, and another host is nobody to ask.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	began, told, last := time.Now(), false, "no answer"
	for {
		response, err := client.Do(request)
		if err == nil {
			io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)) //nolint:errcheck // a connection that broke is made anew
			response.Body.Close()                                     //nolint:errcheck // it was only read
			last = response.Status
			if response.StatusCode < http.StatusInternalServerError && response.StatusCode != http.StatusTooManyRequests {
				break
			}
		} else {
			last = err.Error()
		}
		if !told {
			fmt.Fprintf(words, "hyperkube: waiting for %s\n", url)
			told = true
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(words, "hyperkube: %s is not ready after %.0f s (%s); beginning without it\n", url, time.Since(began).Seconds(), last)
			return nil
		case <-time.After(pause):
		}
	}
	if told {
		fmt.Fprintf(words, "hyperkube: %s answered after %.1f s: %s\n", url, time.Since(began).Seconds(), last)
	}
	return nil
}
