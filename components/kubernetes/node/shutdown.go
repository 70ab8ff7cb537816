package node

import (
	"context"
	"sync"
	"time"
)

// Shutdown stops the pods in order while the machine's network is still up. systemd runs it after it has stopped the
// kubelet, which would start the containers again. Without it, systemd stops all containers at once: the API server
// then waits for half a minute for etcd, and a pod that writes to a network volume waits for the network.
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
			n.note("stage %d of the shutdown: %d pods stopped in %.1f s", stage, len(group),
				n.Clock.Now().Sub(began).Seconds())
		}
	}
	return nil
}

// stageOf returns the stage in which a pod stops:
//
//	0: the user's pods
//	1: other pods of the cluster, such as CoreDNS
//	2: clients of the API server, and flanneld, which no running pod needs any more
//	3: the API server
//	4: etcd
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

// graceOf returns the longest grace period of the pods of a stage. TimeoutStopSec= of k8simg-shutdown.service is the
// limit for all stages together.
func graceOf(stage int) time.Duration {
	if stage == 0 {
		return 60 * time.Second
	}
	return 15 * time.Second
}

// stopPod stops the containers of a pod, and then its sandbox. Errors are logged.
func (n *Node) stopPod(ctx context.Context, pod Pod, most time.Duration) {
	var waiting sync.WaitGroup
	for _, container := range pod.Containers {
		waiting.Go(func() {
			if err := n.Runtime.StopContainer(ctx, container.ID, min(container.Grace, most)); err != nil {
				n.note("container %s of %s/%s: %v", container.Name, pod.Namespace, pod.Name, err)
			}
		})
	}
	waiting.Wait()
	if err := n.Runtime.StopPod(ctx, pod.ID); err != nil {
		n.note("pod %s/%s: %v", pod.Namespace, pod.Name, err)
	}
}
