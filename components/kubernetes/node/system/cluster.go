package system

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	"k8s.io/cluster-bootstrap/token/jws"
	tokenapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/bootstraptoken/v1"
	tokenphase "k8s.io/kubernetes/cmd/kubeadm/app/phases/bootstraptoken/node"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pubkeypin"

	"hyperkube/node"
	"hyperkube/startup"
)

// cluster sends requests to API servers.
type cluster struct{}

func (cluster) Reachable(ctx context.Context, server string) bool {
	connection, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", server)
	if err != nil {
		return false
	}
	connection.Close() //nolint:errcheck // nothing was sent
	return true
}

// stranger returns a client that does not verify the server's certificate. Callers verify the response by other means,
// or treat it as untrusted.
func stranger() *http.Client {
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (cluster) Time(ctx context.Context, server string) time.Time {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+server+"/version", http.NoBody)
	if err != nil {
		return time.Time{}
	}
	response, err := stranger().Do(request)
	if err != nil {
		return time.Time{}
	}
	response.Body.Close() //nolint:errcheck // only the header is used
	said, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return said
}

// largestAnswer limits the size of a response.
const largestAnswer = 4 << 20

// Check does the checks of kubeadm's discovery, with a separate error for each cause. The cluster-info of the cluster
// must be signed with the token, its certificate authority must have the hash in node.toml, and the token must
// authorize a request for the node.
func (cluster) Check(ctx context.Context, m node.Membership) error {
	info, err := clusterInfo(ctx, m.Server)
	if err != nil {
		return classify(err)
	}
	authority, err := verifyInfo(info, m)
	if err != nil {
		return err
	}
	client, err := clientset.NewForConfig(&rest.Config{
		Host: "https://" + m.Server, BearerToken: m.Token, TLSClientConfig: rest.TLSClientConfig{CAData: authority},
		Timeout: time.Minute,
	})
	if err != nil {
		return err
	}
	found, err := client.CoreV1().Nodes().Get(ctx, m.NodeName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return classify(err)
	}
	if isReady(found) {
		return node.JoinError{Refusal: node.NameTaken, Err: fmt.Errorf("the node %s exists and is Ready", m.NodeName)}
	}
	return nil
}

// clusterInfo returns the ConfigMap cluster-info, which is readable without authentication.
func clusterInfo(ctx context.Context, server string) (*corev1.ConfigMap, error) {
	url := "https://" + server + "/api/v1/namespaces/" + metav1.NamespacePublic + "/configmaps/" +
		bootstrapapi.ConfigMapClusterInfo
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := stranger().Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(response.Body, largestAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	info := &corev1.ConfigMap{}
	if err := json.Unmarshal(text, info); err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return info, nil
}

// verifyInfo verifies cluster-info and returns the certificate authority in it.
func verifyInfo(info *corev1.ConfigMap, m node.Membership) ([]byte, error) {
	id, secret, _ := strings.Cut(m.Token, ".")
	text, signature := info.Data[bootstrapapi.KubeConfigKey], info.Data[bootstrapapi.JWSSignatureKeyPrefix+id]
	if text == "" {
		return nil, errors.New("cluster-info has no kubeconfig yet")
	}
	if signature == "" {
		return nil, node.JoinError{Refusal: node.TokenRefused, Err: fmt.Errorf("the token %s is unknown", id)}
	}
	if !jws.DetachedTokenIsValid(signature, text, id, secret) {
		return nil, node.JoinError{Refusal: node.TokenRefused,
			Err: errors.New("cluster-info is signed with another token")}
	}
	config, err := clientcmd.Load([]byte(text))
	if err != nil {
		return nil, err
	}
	for _, each := range config.Clusters {
		certificates, err := cert.ParseCertsPEM(each.CertificateAuthorityData)
		if err != nil {
			return nil, err
		}
		pins := pubkeypin.NewSet()
		if err := pins.Allow(m.CACertHash); err != nil {
			return nil, err
		}
		if err := pins.CheckAny(certificates); err != nil {
			return nil, node.JoinError{Refusal: node.OtherCluster, Err: err}
		}
		return each.CertificateAuthorityData, nil
	}
	return nil, errors.New("the kubeconfig in cluster-info has no cluster")
}

// classify returns a JoinError if the type of an error shows the cause.
func classify(err error) error {
	var (
		known   node.JoinError
		invalid x509.CertificateInvalidError
		name    x509.HostnameError
	)
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case apierrors.IsUnauthorized(err):
		return node.JoinError{Refusal: node.TokenRefused, Err: err}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return node.JoinError{Refusal: node.OtherTime, Err: err}
	case errors.As(err, &name):
		return node.JoinError{Refusal: node.OtherName, Err: err}
	}
	return err
}

// restConfig reads a kubeconfig.
func restConfig(kubeconfig string) (*rest.Config, error) {
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	return clientcmd.RESTConfigFromKubeConfig(text)
}

const fieldManager = "k8simg-node"

// Apply derives the names of resources from their kinds. It does not use the discovery API, which takes a slow core
// many seconds. The API server rejects a wrong name.
func (cluster) Apply(ctx context.Context, kubeconfig, ready string, manifest []byte) error {
	if err := startup.AwaitAPIContext(ctx, ready, os.Stdout); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	config, err := restConfig(kubeconfig)
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(string(manifest)), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(object.Object) == 0 {
			continue
		}
		resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		target := dynamic.ResourceInterface(client.Resource(resource))
		if namespace := object.GetNamespace(); namespace != "" {
			target = client.Resource(resource).Namespace(namespace)
		}
		if _, err := target.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager,
			Force: true}); err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		fmt.Printf("%s %s applied\n", strings.ToLower(object.GetKind()), object.GetName())
	}
}

// isReady reports whether a node is Ready.
func isReady(n *corev1.Node) bool {
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func (cluster) AwaitReady(ctx context.Context, kubeconfig, name string) error {
	config, err := restConfig(kubeconfig)
	if err != nil {
		return err
	}
	client, err := clientset.NewForConfig(config)
	if err != nil {
		return err
	}
	for {
		ready, err := watchReady(ctx, client, name)
		if ready {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(2 * time.Second):
		}
	}
}

// watchReady returns true when the node is Ready, and false when the API server ends the watch.
func watchReady(ctx context.Context, client clientset.Interface, name string) (bool, error) {
	options := metav1.ListOptions{FieldSelector: "metadata.name=" + name}
	list, err := client.CoreV1().Nodes().List(ctx, options)
	if err != nil {
		return false, err
	}
	if len(list.Items) > 0 && isReady(&list.Items[0]) {
		return true, nil
	}
	options.ResourceVersion = list.ResourceVersion
	watch, err := client.CoreV1().Nodes().Watch(ctx, options)
	if err != nil {
		return false, err
	}
	defer watch.Stop()
	for event := range watch.ResultChan() {
		if found, ok := event.Object.(*corev1.Node); ok && isReady(found) {
			return true, nil
		}
	}
	return false, nil
}

func (cluster) CreateToken(_ context.Context, kubeconfig, token string, expires time.Time) error {
	config, err := restConfig(kubeconfig)
	if err != nil {
		return err
	}
	client, err := clientset.NewForConfig(config)
	if err != nil {
		return err
	}
	id, secret, _ := strings.Cut(token, ".")
	return tokenphase.CreateNewTokens(client, []tokenapi.BootstrapToken{{
		Token:       &tokenapi.BootstrapTokenString{ID: id, Secret: secret},
		Description: "from k8simg-node token",
		Expires:     &metav1.Time{Time: expires},
		Usages:      []string{"signing", "authentication"},
		Groups:      []string{"system:bootstrappers:kubeadm:default-node-token"},
	}})
}
