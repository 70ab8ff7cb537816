package system

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"

	"hyperkube/node"
)

// manifestManager is the field manager of the user's manifests.
const manifestManager = "k8simg"

// longestRequest limits the time of one request.
const longestRequest = time.Minute

// objects implements node.Objects. Unlike Apply of the node's own manifest, it asks the discovery API for resources,
// because kinds of users are arbitrary.
type objects struct {
	client dynamic.Interface
	mapper meta.ResettableRESTMapper
}

func (cluster) Objects(kubeconfig string) (node.Objects, error) {
	config, err := restConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	config.Timeout = longestRequest
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	return objects{client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))}, nil
}

// mapping finds the resource of a kind. A kind that is not known may be new.
func (o objects) mapping(apiVersion, kind string) (*meta.RESTMapping, error) {
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, err
	}
	group := schema.GroupKind{Group: version.Group, Kind: kind}
	found, err := o.mapper.RESTMapping(group, version.Version)
	if meta.IsNoMatchError(err) {
		o.mapper.Reset()
		found, err = o.mapper.RESTMapping(group, version.Version)
	}
	return found, err
}

func (o objects) Key(object *unstructured.Unstructured) (node.ObjectKey, error) {
	key := node.ObjectKey{APIVersion: object.GetAPIVersion(), Kind: object.GetKind(), Name: object.GetName()}
	found, err := o.mapping(key.APIVersion, key.Kind)
	if err != nil {
		return key, err
	}
	if found.Scope.Name() == meta.RESTScopeNameNamespace {
		key.Namespace = object.GetNamespace()
		if key.Namespace == "" {
			key.Namespace = corev1.NamespaceDefault
		}
	}
	return key, nil
}

// resource returns access to the resource of an object.
func (o objects) resource(key node.ObjectKey) (dynamic.ResourceInterface, error) {
	found, err := o.mapping(key.APIVersion, key.Kind)
	if err != nil {
		return nil, err
	}
	if key.Namespace != "" {
		return o.client.Resource(found.Resource).Namespace(key.Namespace), nil
	}
	return o.client.Resource(found.Resource), nil
}

func (o objects) Apply(ctx context.Context, key node.ObjectKey, object *unstructured.Unstructured) error {
	target, err := o.resource(key)
	if err != nil {
		return err
	}
	object.SetNamespace(key.Namespace)
	options := metav1.ApplyOptions{FieldManager: manifestManager, Force: true}
	if _, err := target.Apply(ctx, key.Name, object, options); err != nil {
		return err
	}
	if key.Kind == "CustomResourceDefinition" {
		return awaitEstablished(ctx, target, key.Name)
	}
	return nil
}

// awaitEstablished waits until the API server serves the resource of a CustomResourceDefinition, because the next
// object may be of its kind.
func awaitEstablished(ctx context.Context, definitions dynamic.ResourceInterface, name string) error {
	for tries := 0; tries < 40; tries++ {
		found, err := definitions.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(found.Object, "status", "conditions")
		if err != nil {
			return err
		}
		for _, each := range conditions {
			if condition, ok := each.(map[string]any); ok && condition["type"] == "Established" &&
				condition["status"] == string(metav1.ConditionTrue) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
	return errors.New("the API server does not serve its resource yet")
}

func (o objects) Prune(ctx context.Context, key node.ObjectKey) error {
	target, err := o.resource(key)
	if meta.IsNoMatchError(err) {
		return nil // without the kind, there is no object
	}
	if err != nil {
		return err
	}
	found, err := target.Get(ctx, key.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	case found.GetLabels()[node.OriginLabel] != node.OriginValue:
		return nil // somebody else's by now
	}
	uid, background := found.GetUID(), metav1.DeletePropagationBackground
	err = target.Delete(ctx, key.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid},
		PropagationPolicy: &background})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
