// Command app answers HTTP requests with its name, and with the answer of the next program if it has one:
//
//	app NAME [URL]
//
// Without an answer of the next one, it answers with status 503.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	name, next := os.Args[1], ""
	if len(os.Args) > 2 {
		next = os.Args[2]
	}
	client := http.Client{Timeout: 5 * time.Second}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		rest := ""
		if next != "" {
			answer, err := client.Get(next)
			if err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			defer answer.Body.Close() //nolint:errcheck // read only
			text, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusOK {
				http.Error(w, string(text), http.StatusServiceUnavailable)
				return
			}
			rest = " " + string(text)
		}
		fmt.Fprint(w, name+rest) //nolint:errcheck // the client sees it
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":8080", nil)) //nolint:gosec // a test
	os.Exit(1)
}
