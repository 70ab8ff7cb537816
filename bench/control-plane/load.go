// Load: client processes with many requests at once, and the node's heartbeat meanwhile.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	clientGroup = "bench-clients"
	stored      = 50                     // config maps in each client's namespace
	watches     = 5                      // of each client
	beat        = 100 * time.Millisecond // between the node's heartbeats during a load
)

// clientSettings is what a client process is told.
type clientSettings struct {
	Server, Folder, Namespace, Prefix string
	Concurrency, Requests             int
}

// clientResult is what a client process answers.
type clientResult struct {
	Latencies []float64 // ms, by request
	TooMany   int64     // answers 429; the request was sent again
	Failed    int64     // requests that got another error, or none in time
	Events    int64     // of the watches
	Processor float64   // seconds
	Error     string    // of the first that failed
}

type loadResult struct {
	Seconds   float64   `json:"s"`
	Rate      float64   `json:"requests_per_s"`
	Latency   quantiles `json:"latency_ms"`
	Heartbeat quantiles `json:"heartbeat_ms"` // of the node's lease
	TooMany   float64   `json:"429"`
	Failed    float64   `json:"failed"`
	Events    float64   `json:"watch_events"`
	Clients   float64   `json:"clients_cpu_s"`
}

type quantiles struct {
	Median float64 `json:"p50"`
	High   float64 `json:"p99"`
	Most   float64 `json:"max"`
}

func quantilesOf(values []float64) quantiles {
	if len(values) == 0 {
		return quantiles{}
	}
	slices.Sort(values)
	at := func(share float64) float64 { return values[min(len(values)-1, int(share*float64(len(values))))] }
	return quantiles{at(0.5), at(0.99), values[len(values)-1]}
}

func namespaceOf(client int) string { return fmt.Sprintf("bench-%d", client) }

// configMap has a kilobyte of data.
func configMap(name string) string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": %q}, "data": {"text": %q}}`, name,
		strings.Repeat("0123456789abcdef", 64))
}

// load lets clients send their requests, once for each concurrency.
func (m *measurement) load(ctx context.Context) error {
	m.row.Load = map[string]loadResult{}
	if err := m.admin.post(ctx, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
		`{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "bench"},
		"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "`+clientGroup+`"}]}`); err != nil {
		return err
	}
	for client := range m.set.Clients {
		space := namespaceOf(client)
		if err := m.admin.post(ctx, "/api/v1/namespaces",
			`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "`+space+`"}}`); err != nil {
			return err
		}
		for i := range stored {
			name := fmt.Sprintf("stored-%d", i)
			if err := m.admin.post(ctx, "/api/v1/namespaces/"+space+"/configmaps", configMap(name)); err != nil {
				return err
			}
		}
	}
	for _, concurrency := range m.set.Concurrency {
		name := fmt.Sprintf("%dx%d", m.set.Clients, concurrency)
		if _, err := m.point(""); err != nil {
			return err
		}
		result, err := m.loadWith(ctx, concurrency)
		if err != nil {
			return err
		}
		m.row.Load[name] = result
		if _, err := m.point("load " + name); err != nil {
			return err
		}
	}
	return m.check()
}

type clientProcess struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	read    chan struct{} // closed when all that it printed has been read
	ended   chan error
}

func startClient(set clientSettings) (*clientProcess, error) {
	argument, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &clientProcess{command: exec.Command(self, "client", string(argument)),
		read: make(chan struct{}), ended: make(chan error, 1),
	}
	c.command.Stderr = os.Stderr
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for startProcess
		started <- startProcess(c.command)
		<-c.read // Wait closes the pipe
		c.ended <- c.command.Wait()
	}()
	return c, <-started
}

func (m *measurement) loadWith(ctx context.Context, concurrency int) (loadResult, error) {
	var clients []*clientProcess
	defer func() {
		for _, client := range clients {
			client.command.Process.Kill() //nolint:errcheck // it has ended
		}
	}()
	for i := range m.set.Clients {
		client, err := startClient(clientSettings{
			Server: m.server, Folder: m.folder, Namespace: namespaceOf(i), Prefix: fmt.Sprintf("load-%d", concurrency),
			Concurrency: concurrency, Requests: m.set.Requests,
		})
		if err != nil {
			return loadResult{}, err
		}
		clients = append(clients, client)
	}
	go func() { // reading from a client ends with the run
		<-ctx.Done()
		for _, client := range clients {
			client.command.Process.Kill() //nolint:errcheck // it has ended
		}
	}()
	for _, client := range clients { // connected, and its watches are open
		if _, err := client.out.ReadString('\n'); err != nil {
			return loadResult{}, fmt.Errorf("a client did not begin: %w", err)
		}
	}
	began := time.Now()
	for _, client := range clients {
		fmt.Fprintln(client.in, "go") //nolint:errcheck // reading its answer fails then
	}
	beats, stopBeats := m.heartbeats(ctx)
	var sum clientResult
	for _, client := range clients {
		var result clientResult
		if err := json.NewDecoder(client.out).Decode(&result); err != nil {
			return loadResult{}, fmt.Errorf("a client did not end well: %w", err)
		}
		sum.Latencies = append(sum.Latencies, result.Latencies...)
		sum.TooMany += result.TooMany
		sum.Failed += result.Failed
		sum.Events += result.Events
		sum.Processor += result.Processor
		if result.Error != "" {
			fmt.Fprintf(os.Stderr, "%s: a request failed: %s\n", m.set.Name, result.Error)
		}
	}
	seconds := time.Since(began).Seconds()
	stopBeats()
	for _, client := range clients {
		close(client.read)
		if err := <-client.ended; err != nil {
			return loadResult{}, err
		}
	}
	return loadResult{
		Seconds: seconds, Rate: float64(len(sum.Latencies)) / seconds, Latency: quantilesOf(sum.Latencies),
		Heartbeat: quantilesOf(<-beats), TooMany: float64(sum.TooMany), Failed: float64(sum.Failed),
		Events: float64(sum.Events), Clients: sum.Processor,
	}, nil
}

// heartbeats renews the node's lease again and again until it is told to stop, and gives how long each took.
func (m *measurement) heartbeats(ctx context.Context) (<-chan []float64, func()) {
	result, stop := make(chan []float64, 1), make(chan struct{})
	go func() {
		var times []float64
		for ticker := time.NewTicker(beat); ; {
			select {
			case <-stop:
				result <- times
				return
			case <-ticker.C:
			}
			began := time.Now()
			m.node.report(ctx, m.node.renew(ctx))
			times = append(times, float64(time.Since(began).Microseconds())/1000)
		}
	}()
	return result, func() { close(stop) }
}

// runClient is a client process: of 20 requests, ten get, three list, and seven create or delete config maps, while
// watches see these come and go.
func runClient(ctx context.Context, argument string) error {
	var set clientSettings
	if err := json.Unmarshal([]byte(argument), &set); err != nil {
		return err
	}
	client, err := newClient(set.Server, set.Folder, "client")
	if err != nil {
		return err
	}
	maps := "/api/v1/namespaces/" + set.Namespace + "/configmaps"
	var events atomic.Int64
	for range watches {
		body, err := client.watch(ctx, maps+"?watch=1")
		if err != nil {
			return err
		}
		go func() {
			for lines := bufio.NewReaderSize(body, 1<<16); ; {
				line, err := lines.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) > 0 {
					events.Add(1)
				}
			}
		}()
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	eventsBefore := events.Load()
	var next, failed atomic.Int64
	var first atomic.Value
	latencies := make([]float64, set.Requests)
	var workers sync.WaitGroup
	for range set.Concurrency {
		workers.Go(func() {
			own := "" // a config map to delete
			for {
				number := int(next.Add(1)) - 1
				if number >= set.Requests || ctx.Err() != nil {
					return
				}
				began := time.Now()
				err := client.send(ctx, maps, set.Prefix, number, &own)
				latencies[number] = float64(time.Since(began).Microseconds()) / 1000
				if err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, err.Error())
				}
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	words, _ := first.Load().(string) //nolint:errcheck // nothing failed
	return json.NewEncoder(os.Stdout).Encode(clientResult{
		Latencies: latencies, TooMany: client.tooMany.Load(), Failed: failed.Load(), Events: events.Load() - eventsBefore,
		Processor: ownTime(), Error: words,
	})
}

// send sends the request of a number. own is the config map that this worker made last and has to delete.
func (c *client) send(ctx context.Context, maps, prefix string, number int, own *string) error {
	const spread = 7 // prime to 20: kinds alternate
	switch kind := number * spread % 20; {
	case kind < 10:
		return c.do(ctx, http.MethodGet, fmt.Sprintf("%s/stored-%d", maps, number%stored), "", "", nil)
	case kind < 13:
		return c.do(ctx, http.MethodGet, maps, "", "", nil)
	case *own == "":
		*own = fmt.Sprintf("%s-%d", prefix, number)
		return c.post(ctx, maps, configMap(*own))
	default:
		name := *own
		*own = ""
		return c.do(ctx, http.MethodDelete, maps+"/"+name, asJSON, "{}", nil)
	}
}
