package startup

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestNobodyWaitsUnasked(t *testing.T) {
	if err := AwaitAPI("", nil); err != nil {
		t.Fatal(err)
	}
}

func TestUntilItIsReady(t *testing.T) {
	var asked, connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/readyz":
			t.Errorf("asked for %s", r.URL.Path)
		case asked.Add(1) == 1:
			w.WriteHeader(http.StatusTooManyRequests)
		case asked.Load() == 2:
			w.WriteHeader(http.StatusInternalServerError)
		}
		w.Write([]byte("[+]ping ok\n")) //nolint:errcheck // checked by the counts
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	var words strings.Builder
	if err := AwaitAPI(server.URL+"/readyz", &words); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times", asked.Load())
	}
	if connections.Load() != 1 {
		t.Errorf("%d connections for %d questions", connections.Load(), asked.Load())
	}
	if strings.Count(words.String(), "waiting for "+server.URL) != 1 ||
		!strings.Contains(words.String(), "answered after") {
		t.Errorf("said %q", words.String())
	}
}

func TestAnyAnswerOfAServerThatRuns(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusFound} {
		var asked atomic.Int32
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Location", "https://127.0.0.1:1/")
			w.WriteHeader(status)
		}))
		var words strings.Builder
		if err := AwaitAPI(server.URL+"/readyz", &words); err != nil || asked.Load() != 1 {
			t.Errorf("%d: asked %d times, %v, %q", status, asked.Load(), err, words.String())
		}
		server.Close()
	}
}

func TestSomeMinutesAndNoMore(t *testing.T) {
	silent := make(chan struct{})
	for name, handler := range map[string]http.HandlerFunc{
		"500 for ever": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"429 for ever": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"no answer": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-silent:
			case <-r.Context().Done():
			}
		},
		"a body without end": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			w.(http.Flusher).Flush()
			select {
			case <-silent:
			case <-r.Context().Done():
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(handler)
			defer server.Close()
			var words strings.Builder
			began := time.Now()
			err := await(t.Context(), server.URL+"/readyz", &words, 10*time.Millisecond, 100*time.Millisecond,
				500*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < 400*time.Millisecond || took > 20*time.Second {
				t.Errorf("took %s", took)
			}
			if !strings.Contains(words.String(), "starting without it") {
				t.Errorf("said %q", words.String())
			}
		})
	}
	close(silent)
}

func TestWhatIsNoURL(t *testing.T) {
	for _, bad := range []string{"127.0.0.1:6443", "/readyz", "https://%zz/"} {
		if err := AwaitAPI(bad, nil); err == nil || !strings.Contains(err.Error(), APIReady) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
