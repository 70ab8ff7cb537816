package system

import (
	"context"
	"strconv"
	"time"

	criapi "k8s.io/cri-api/pkg/apis"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	criclient "k8s.io/cri-client/pkg"

	"hyperkube/node"
)

// containers uses containerd through the CRI, as the kubelet does.
type containers struct{}

// patience is the timeout of a request, in addition to a container's grace period.
const patience = 30 * time.Second

func connect(ctx context.Context) (criapi.RuntimeService, error) {
	return criclient.NewRemoteRuntimeService(ctx, containerd, patience, nil, false)
}

// Annotations that the kubelet sets on containers.
const (
	graceLabel = "io.kubernetes.container.terminationGracePeriod"
	podGrace   = "io.kubernetes.pod.terminationGracePeriod"
)

func (containers) Running(ctx context.Context) ([]node.Pod, error) {
	service, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	defer service.Close(ctx) //nolint:errcheck // everything has been answered
	ready := &cri.PodSandboxFilter{State: &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_READY}}
	sandboxes, err := service.ListPodSandbox(ctx, ready)
	if err != nil {
		return nil, err
	}
	running := &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}}
	found, err := service.ListContainers(ctx, running)
	if err != nil {
		return nil, err
	}
	pods := make([]node.Pod, 0, len(sandboxes))
	for _, sandbox := range sandboxes {
		pod := node.Pod{ID: sandbox.GetId(), Namespace: sandbox.GetMetadata().GetNamespace(),
			Name: sandbox.GetMetadata().GetName()}
		for _, container := range found {
			if container.GetPodSandboxId() == pod.ID {
				pod.Containers = append(pod.Containers, node.Container{
					ID: container.GetId(), Name: container.GetMetadata().GetName(),
					Grace: graceOf(container.GetAnnotations()),
				})
			}
		}
		pods = append(pods, pod)
	}
	return pods, nil
}

// graceOf returns the pod's terminationGracePeriodSeconds from the annotations, or the API's default.
func graceOf(annotations map[string]string) time.Duration {
	for _, name := range []string{graceLabel, podGrace} {
		if seconds, err := strconv.Atoi(annotations[name]); err == nil && seconds >= 0 {
			return time.Duration(seconds) * time.Second
		}
	}
	return 30 * time.Second
}

func (containers) StopContainer(ctx context.Context, id string, grace time.Duration) error {
	service, err := connect(ctx)
	if err != nil {
		return err
	}
	defer service.Close(ctx) //nolint:errcheck // everything has been answered
	return service.StopContainer(ctx, id, int64(grace/time.Second))
}

func (containers) StopPod(ctx context.Context, id string) error {
	service, err := connect(ctx)
	if err != nil {
		return err
	}
	defer service.Close(ctx) //nolint:errcheck // everything has been answered
	return service.StopPodSandbox(ctx, id)
}
