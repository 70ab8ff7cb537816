// One run: the control plane is started, watched at rest, probed, and put under load.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// row is what a run prints. Numbers that a table of medians should have are float64.
type row struct {
	Variant  string                 `json:"variant"`
	Round    int                    `json:"run"`
	Settings settings               `json:"settings"`
	Points   map[string]point       `json:"at"`
	Idle     map[string]float64     `json:"idle_percent,omitempty"` // of a processor, by program
	Probes   map[string]probeResult `json:"probe_ms,omitempty"`
	Churn    map[string]float64     `json:"churn,omitempty"`
	Load     map[string]loadResult  `json:"load,omitempty"`
	Machine  struct {
		Elsewhere float64 `json:"elsewhere_percent"` // of the machine: what others computed meanwhile
		Stolen    float64 `json:"stolen_percent"`    // of the machine: what its host gave to others
	} `json:"machine"`
}

// point is a moment of a run.
type point struct {
	Clock    float64          `json:"clock_s"` // since the programs were started
	Programs map[string]usage `json:"programs"`
}

// probeResult is the processor time that one probe costs: a new connection, as a kubelet makes one for each.
type probeResult struct {
	Programs float64 `json:"programs"` // all together
	Prober   float64 `json:"prober"`
}

// measurement is a run as it proceeds.
type measurement struct {
	cluster
	set   settings
	row   row
	began time.Time
	node  *hollow
}

func runOnce(ctx context.Context, argument string) error {
	m := &measurement{row: row{Points: map[string]point{}}}
	if err := json.Unmarshal([]byte(argument), &m.set); err != nil {
		return err
	}
	late := fmt.Errorf("the run took longer than %v (-limit)", m.set.Limit)
	ctx, cancel := context.WithTimeoutCause(ctx, m.set.Limit, late)
	defer cancel()
	signal.Ignore(syscall.SIGPIPE)
	m.row.Variant, m.row.Round, m.row.Settings = m.set.Name, m.set.Round, m.set
	var err error
	if m.folder, err = os.MkdirTemp("", "control-plane."); err != nil {
		return err
	}
	defer os.RemoveAll(m.folder) //nolint:errcheck // a folder of temporary files
	defer func() {
		cancel() // the node has nobody to talk to
		m.stop(m.set.Logs)
	}()
	busy, stolen, err := machineTime()
	if err != nil {
		return err
	}
	start, own := time.Now(), ownTime()

	for i, phase := range []func(context.Context) error{m.startUp, m.rest, m.probe, m.churn, m.load} {
		if err := phase(ctx); err != nil {
			return fmt.Errorf("%s: %w", phases[i], err)
		}
		fmt.Fprintf(os.Stderr, "%s, run %d: %s after %.1f s\n", m.set.Name, m.set.Round, phases[i],
			time.Since(start).Seconds())
		if phases[i] == m.set.Until {
			break
		}
	}

	used := ownTime() - own
	for _, p := range m.programs {
		used += p.spent
	}
	busyNow, stolenNow, err := machineTime()
	if err != nil {
		return err
	}
	processors := float64(len(processorsOf()))
	total := time.Since(start).Seconds() * processors
	m.row.Machine.Elsewhere = 100 * max(0, busyNow-busy-used) / total
	m.row.Machine.Stolen = 100 * (stolenNow - stolen) / total
	return json.NewEncoder(os.Stdout).Encode(m.row)
}

// point gives what all programs have used so far, and records it if it has a name.
func (m *measurement) point(name string) (point, error) {
	at := point{Clock: time.Since(m.began).Seconds(), Programs: map[string]usage{}}
	var all usage
	for _, p := range m.programs {
		pid := p.command.Process.Pid
		now, err := processorTime(pid)
		if err != nil {
			return at, err
		}
		used := usage{Processor: now, Spent: now - p.spent, Instructions: p.counter.read()}
		p.spent = now
		if used.Anonymous, err = megabytes(fmt.Sprintf("/proc/%d/status", pid), "RssAnon"); err != nil {
			return at, err
		}
		if used.Proportional, err = megabytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss"); err != nil {
			return at, err
		}
		at.Programs[p.name] = used
		all.Processor += used.Processor
		all.Spent += used.Spent
		all.Anonymous += used.Anonymous
		all.Proportional += used.Proportional
		all.Instructions += used.Instructions
	}
	at.Programs["all"] = all
	if name != "" {
		m.row.Points[name] = at
	}
	return at, nil
}

// startUp starts the programs and waits until the cluster can be used.
func (m *measurement) startUp(ctx context.Context) error {
	if err := m.prepare(); err != nil {
		return err
	}
	m.began = time.Now()
	if err := m.start(m.set); err != nil {
		return err
	}
	probe := newProber(true)
	if err := m.await(ctx, "the API server to answer", 10*time.Millisecond, func() bool {
		err := probe(ctx, m.url("https", apiServer, "/livez"))
		return err == nil || statusOf(err) != 0
	}); err != nil {
		return err
	}
	if _, err := m.point("listens"); err != nil {
		return err
	}
	questions := []func() bool{
		func() bool { return m.admin.do(ctx, http.MethodGet, "/readyz", "", "", nil) == nil },
		func() bool { return probe(ctx, m.url("https", controllerManager, "/healthz")) == nil },
		func() bool { return probe(ctx, m.url("https", scheduler, "/healthz")) == nil },
		func() bool {
			return m.admin.do(ctx, http.MethodGet, "/api/v1/namespaces/default/serviceaccounts/default", "", "", nil) == nil
		},
	}
	for i, question := range questions {
		what := []string{"/readyz", "the controller manager", "the scheduler", "the service account"}[i]
		if err := m.await(ctx, what, 50*time.Millisecond, question); err != nil {
			return err
		}
	}
	_, err := m.point("ready")
	return err
}

// rest watches the programs when nobody wants anything.
func (m *measurement) rest(ctx context.Context) error {
	var err error
	if m.node, err = newHollow(ctx, &m.cluster); err != nil {
		return err
	}
	if err := pause(ctx, m.set.Idle); err != nil {
		return err
	}
	before, err := m.point("")
	if err != nil {
		return err
	}
	if err := pause(ctx, m.set.Idle); err != nil {
		return err
	}
	after, err := m.point("idle")
	if err != nil {
		return err
	}
	m.row.Idle = map[string]float64{}
	for name, used := range after.Programs {
		m.row.Idle[name] = 100 * used.Spent / (after.Clock - before.Clock)
	}
	return m.check()
}

// newProber makes a function that asks a URL as a kubelet's probe does, without looking at the certificate. A kubelet
// makes a new connection for each probe.
func newProber(keep bool) func(context.Context, string) error {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: !keep, DisableCompression: true,
	}
	asker := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	return func(ctx context.Context, url string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		response, err := asker.Do(request)
		if err != nil {
			return err
		}
		text, err := readAll(response)
		if err == nil && response.StatusCode != http.StatusOK {
			err = &problem{response.StatusCode, string(text)}
		}
		return err
	}
}

// probe measures what kubeadm's probes cost. What the programs do at rest is taken off.
func (m *measurement) probe(ctx context.Context) error {
	m.row.Probes = map[string]probeResult{}
	probe := newProber(false)
	for _, url := range []string{
		m.url("https", apiServer, "/livez"), m.url("https", apiServer, "/readyz"),
		m.url("https", controllerManager, "/healthz"),
		m.url("https", scheduler, "/livez"), m.url("https", scheduler, "/readyz"),
		m.url("http", "metrics", "/livez"), m.url("http", "metrics", "/readyz"),
	} {
		before, err := m.point("")
		if err != nil {
			return err
		}
		own := ownTime()
		for range m.set.Probes {
			if err := probe(ctx, url); err != nil {
				return fmt.Errorf("%s: %w", url, err)
			}
		}
		own = ownTime() - own
		after, err := m.point("")
		if err != nil {
			return err
		}
		cost := after.Programs["all"].Spent - m.row.Idle["all"]/100*(after.Clock-before.Clock)
		name := slices.IndexFunc(programNames, func(name string) bool { return strings.Contains(url, m.address(name)) })
		of := etcd // at its port for metrics
		if name >= 0 {
			of = programNames[name]
		}
		each := 1000 / float64(m.set.Probes)
		m.row.Probes[of+url[strings.LastIndex(url, "/"):]] = probeResult{cost * each, own * each}
	}
	return m.check()
}

// churn makes the pods of a Deployment and removes them.
func (m *measurement) churn(ctx context.Context) error {
	const deployments = "/apis/apps/v1/namespaces/default/deployments"
	if err := m.await(ctx, "the node's taints", 200*time.Millisecond, func() bool {
		var node struct{ Spec struct{ Taints []any } }
		return m.admin.get(ctx, "/api/v1/nodes/"+nodeName, &node) == nil && len(node.Spec.Taints) == 0
	}); err != nil {
		return err
	}
	if _, err := m.point(""); err != nil {
		return err
	}
	began := time.Now()
	if err := m.admin.post(ctx, deployments, fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": {"name": "churn"}, "spec": {"replicas": %d, "selector": {"matchLabels": {"app": "churn"}},
		"template": {"metadata": {"labels": {"app": "churn"}}, "spec": {"containers": [{"name": "pause", "image": "pause",
		"imagePullPolicy": "IfNotPresent", "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}}}]}}}}`,
		m.set.Pods)); err != nil {
		return err
	}
	if err := m.await(ctx, "the pods to be Ready", 100*time.Millisecond, func() bool {
		var deployment struct{ Status struct{ ReadyReplicas int } }
		return m.admin.get(ctx, deployments+"/churn", &deployment) == nil && deployment.Status.ReadyReplicas == m.set.Pods
	}); err != nil {
		return err
	}
	up := time.Since(began)
	if err := m.admin.patch(ctx, deployments+"/churn", mergePatch, `{"spec": {"replicas": 0}}`); err != nil {
		return err
	}
	if err := m.await(ctx, "the pods to be gone", 100*time.Millisecond, func() bool {
		var pods struct{ Items []any }
		return m.admin.get(ctx, "/api/v1/namespaces/default/pods?limit=1", &pods) == nil && len(pods.Items) == 0
	}); err != nil {
		return err
	}
	m.row.Churn = map[string]float64{
		"ready_s": up.Seconds(), "gone_s": (time.Since(began) - up).Seconds(),
		"node_429": float64(m.node.client.tooMany.Load()),
	}
	_, err := m.point("churned")
	return err
}

func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(length):
		return nil
	}
}

// processorsOf gives the numbers of this machine's processors.
func processorsOf() []string {
	text, _ := os.ReadFile("/proc/stat") //nolint:errcheck // machineTime has read it
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(line, " "); strings.HasPrefix(name, "cpu") && name != "cpu" {
			names = append(names, name)
		}
	}
	return names
}
