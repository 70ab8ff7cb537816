// A hollow node: what a kubelet says to the API server, without any container.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	nodeName       = "hollow"
	leaseInterval  = 10 * time.Second // a kubelet's
	leasePath      = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/" + nodeName
	strategicPatch = "application/strategic-merge-patch+json"
)

// pod is what the node wants to know of one.
type pod struct {
	Metadata struct {
		Name, Namespace, UID string
		DeletionTimestamp    string
	}
	Spec   struct{ Containers []struct{ Name string } }
	Status struct{ Phase string }
}

type hollow struct {
	client *client
	mutex  sync.Mutex
	known  map[string]string // UID to "started" or "deleted"
	work   chan func(context.Context) error
}

// newHollow registers the node and begins to work on its pods.
func newHollow(ctx context.Context, c *cluster) (*hollow, error) {
	client, err := newClient(c.server, c.folder, "node")
	if err != nil {
		return nil, err
	}
	h := &hollow{client: client, known: map[string]string{}, work: make(chan func(context.Context) error, 1000)}
	const resources = `{"cpu": "64", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "254"}`
	now := time.Now().UTC().Format(time.RFC3339)
	node := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Node",
		"metadata": {"name": %q, "labels": {"kubernetes.io/hostname": %q, "kubernetes.io/os": "linux"}},
		"status": {"capacity": %s, "allocatable": %s, "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
		"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": %q,
		"lastTransitionTime": %q}]}}`, nodeName, nodeName, resources, resources, now, now)
	if err := client.post(ctx, "/api/v1/nodes", node); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	lease := fmt.Sprintf(`{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": %q},
		"spec": {"holderIdentity": %q, "leaseDurationSeconds": 40}}`, nodeName, nodeName)
	if err := client.post(ctx, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", lease); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	go func() {
		for ticker := time.NewTicker(leaseInterval); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				h.report(ctx, h.renew(ctx))
			}
		}
	}()
	for range 10 {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case job := <-h.work:
					h.report(ctx, job(ctx))
				}
			}
		}()
	}
	go func() {
		for ctx.Err() == nil {
			h.report(ctx, h.watch(ctx))
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return h, nil
}

// report prints an error, but for a pod that is gone already and at the end of the run.
func (h *hollow) report(ctx context.Context, err error) {
	if err != nil && statusOf(err) != http.StatusNotFound && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "control-plane: hollow node: %v\n", err)
	}
}

func (h *hollow) renew(ctx context.Context) error {
	return h.client.patch(ctx, leasePath, mergePatch,
		fmt.Sprintf(`{"spec": {"renewTime": %q}}`, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")))
}

// watch handles the node's pods until the API server ends the watch.
func (h *hollow) watch(ctx context.Context) error {
	// Resource version 0: events begin with the pods that there are.
	body, err := h.client.watch(ctx, "/api/v1/pods?watch=1&resourceVersion=0&fieldSelector=spec.nodeName%3D"+nodeName)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // read only
	for decoder := json.NewDecoder(body); ; {
		var event struct {
			Type   string
			Object pod
		}
		if err := decoder.Decode(&event); err != nil {
			return nil // ended
		}
		if event.Type == "ADDED" || event.Type == "MODIFIED" {
			h.see(event.Object)
		}
	}
}

func (h *hollow) see(p pod) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	was := h.known[p.Metadata.UID]
	switch {
	case p.Metadata.DeletionTimestamp != "" && was != "deleted":
		h.known[p.Metadata.UID] = "deleted"
		h.work <- func(ctx context.Context) error { return h.end(ctx, p) }
	case p.Metadata.DeletionTimestamp == "" && was == "":
		h.known[p.Metadata.UID] = "started"
		address := len(h.known)
		h.work <- func(ctx context.Context) error { return h.begin(ctx, p, address) }
	}
}

func (p *pod) path() string {
	return "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
}

// status is a kubelet's patch of a pod's status.
func (h *hollow) status(ctx context.Context, p pod, phase, ready, state, address string) error {
	now := time.Now().UTC().Format(time.RFC3339)
	return h.client.patch(ctx, p.path()+"/status", strategicPatch, fmt.Sprintf(`{"metadata": {"uid": %q}, "status":
		{"phase": %q, "hostIP": "127.0.0.1", %s "startTime": %q, "conditions": [
		{"type": "PodReadyToStartContainers", "status": %q, "lastTransitionTime": %q},
		{"type": "Initialized", "status": "True", "lastTransitionTime": %q},
		{"type": "Ready", "status": %q, "lastTransitionTime": %q},
		{"type": "ContainersReady", "status": %q, "lastTransitionTime": %q}],
		"containerStatuses": [{"name": %q, "image": "pause", "imageID": "pause", "ready": %t, "restartCount": 0,
		"state": {%s}}]}}`, p.Metadata.UID, phase, address, now, ready, now, now, ready, now, ready, now,
		p.Spec.Containers[0].Name, ready == "True", state))
}

func (h *hollow) event(ctx context.Context, p pod, reason string) error {
	now := time.Now().UTC()
	stamp := now.Format(time.RFC3339)
	return h.client.post(ctx, "/api/v1/namespaces/"+p.Metadata.Namespace+"/events", fmt.Sprintf(`{"apiVersion": "v1",
		"kind": "Event", "metadata": {"name": "%s.%x.%s"}, "reason": %q, "type": "Normal", "message": "hollow",
		"involvedObject": {"kind": "Pod", "namespace": %q, "name": %q, "uid": %q, "apiVersion": "v1"},
		"source": {"component": "kubelet", "host": %q}, "firstTimestamp": %q, "lastTimestamp": %q, "count": 1}`,
		p.Metadata.Name, now.UnixNano(), strings.ToLower(reason), reason, p.Metadata.Namespace, p.Metadata.Name,
		p.Metadata.UID, nodeName, stamp, stamp))
}

// begin makes a pod Running with what a kubelet sends meanwhile: two patches and three events.
func (h *hollow) begin(ctx context.Context, p pod, address int) error {
	if err := h.status(ctx, p, "Pending", "False", `"waiting": {"reason": "ContainerCreating"}`, ""); err != nil {
		return err
	}
	for _, reason := range []string{"Pulled", "Created", "Started"} {
		if err := h.event(ctx, p, reason); err != nil {
			return err
		}
	}
	ip := fmt.Sprintf(`"podIP": "10.244.%d.%d",`, address/250, address%250+2)
	return h.status(ctx, p, "Running", "True",
		fmt.Sprintf(`"running": {"startedAt": %q}`, time.Now().UTC().Format(time.RFC3339)), ip)
}

// end lets a pod go that somebody deleted.
func (h *hollow) end(ctx context.Context, p pod) error {
	if err := h.event(ctx, p, "Killing"); err != nil {
		return err
	}
	if err := h.status(ctx, p, "Succeeded", "False",
		`"terminated": {"exitCode": 0, "reason": "Completed"}`, ""); err != nil {
		return err
	}
	return h.client.do(ctx, http.MethodDelete, p.path(), asJSON, `{"gracePeriodSeconds": 0}`, nil)
}
