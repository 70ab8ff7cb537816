// Package startup is what programs of a cluster do before they begin, so that a dozen of them can begin at once on a small machine.
package startup

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"time"
)

// APIReady is the variable that holds the URL of the API server's /readyz, which says 200 when it is ready. Without it nobody waits.
const APIReady = "HYPERKUBE_API_READY"

// pause between two questions: each is work for who is asked, and has the least time for it when it is asked most.
const pause = time.Second

// AwaitAPI returns once url answers with 200, or at once if it is empty; there is no limit, for who waits costs nothing and has nothing else to do.
//
// A kubelet starts all of a control plane at once. Upstream's controller manager gives an API server ten seconds and ends then, and is started again after a
// pause that doubles each time; on a small machine an API server takes longer, the more so the more often others start beside it.
func AwaitAPI(url string, words io.Writer) error {
	if url == "" {
		return nil
	}
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("%s: %w", APIReady, err)
	}
	if request.URL.Host == "" {
		return fmt.Errorf("%s: %q has no host", APIReady, url)
	}
	// Nothing is sent and nothing of the answer is believed, so it does not matter who gives it. The connection stays: each new one is a signature.
	client := &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // see above
	}
	defer client.CloseIdleConnections()
	began, told := time.Now(), false
	for {
		if answer, err := client.Do(request); err == nil {
			io.Copy(io.Discard, answer.Body) //nolint:errcheck // a connection that broke is made anew
			answer.Body.Close()              //nolint:errcheck // it was only read
			if answer.StatusCode == http.StatusOK {
				break
			}
		}
		if !told {
			fmt.Fprintf(words, "hyperkube: waiting for %s\n", url)
			told = true
		}
		time.Sleep(pause)
	}
	if told {
		fmt.Fprintf(words, "hyperkube: %s answered after %.1f s\n", url, time.Since(began).Seconds())
	}
	return nil
}

// few is how many processors a machine has at most that UseFewProcessors spares.
const few = 4

// UseFewProcessors keeps a program on one processor of a machine that has few. A cluster of one machine is a dozen programs that wait for each other; Go, given
// two processors, wakes a second thread whenever there is something to do, and the processors do little but change from one program to the next. GOMAXPROCS wins.
func UseFewProcessors() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.NumCPU() <= few {
		runtime.GOMAXPROCS(1)
	}
}
