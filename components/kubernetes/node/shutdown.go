package node

import (
	"context"
	"sync"
	"time"
)

// Shutdown stops the pods, then the control plane, then the pods' network, while the machine's network is there.
// systemd calls it when it has stopped the kubelet, which would start them again. Left to itself it would stop all
// containers at once: an API server waits for etcd, which is gone, for half a minute, and who writes to a volume over
// the network waits for a network that is gone.
func (n *Node) Shutdown(ctx context.Context) error {
	pods, err := n.Runtime.Running(ctx)
	if err != nil {
		return err
	}
	const stages = 5
	var order [stages][]Pod
	for _, pod := range pods {
		stage := stageOf(pod)
		order[stage] = append(order[stage], pod)
	}
	for stage, group := range order {
		began := n.Clock.Now()
		var waiting sync.WaitGroup
		for _, pod := range group {
			waiting.Go(func() { n.stopPod(ctx, pod, graceOf(stage)) })
		}
		waiting.Wait()
		if len(group) > 0 {
			n.note("stage %d of the shutdown: %d pods stopped in %.1f s\n", stage, len(group), n.Clock.Now().Sub(began).Seconds())
		}
	}
	return nil
}

// stageOf is when a pod stops: what a person runs, what the cluster needs besides, who asks the API server, the API
// server, etcd. The pods' network needs no stop of its own: its interface stays, and flanneld is of the second stage
// only when no other pod needs it any more.
func stageOf(pod Pod) int {
	switch {
	case pod.Namespace == "kube-flannel":
		return 2
	case pod.Namespace != "kube-system":
		return 0
	}
	for _, container := range pod.Containers {
		switch container.Name {
		case "etcd":
			return 4
		case "kube-apiserver":
			return 3
		case "kube-controller-manager", "kube-scheduler", "kube-proxy":
			return 2
		}
	}
	return 1
}

// mostGrace is how long a pod of a stage has. systemd waits for all stages together: see k8simg-shutdown.service.
func graceOf(stage int) time.Duration {
	if stage == 0 {
		return 60 * time.Second
	}
	return 15 * time.Second
}

func (n *Node) stopPod(ctx context.Context, pod Pod, most time.Duration) {
	var waiting sync.WaitGroup
	for _, container := range pod.Containers {
		waiting.Go(func() {
			if err := n.Runtime.StopContainer(ctx, container.ID, min(container.Grace, most)); err != nil {
				n.note("container %s of %s/%s: %v\n", container.Name, pod.Namespace, pod.Name, err)
			}
		})
	}
	waiting.Wait()
	if err := n.Runtime.StopPod(ctx, pod.ID); err != nil {
		n.note("pod %s/%s: %v\n", pod.Namespace, pod.Name, err)
	}
}
