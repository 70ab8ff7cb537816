package system

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cluster-bootstrap/token/jws"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pubkeypin"

	"hyperkube/node"
)

const token = "k8sim9.4b7qz02xw8n5tj1c"

// apiServer answers the requests that a worker sends before it joins.
type apiServer struct {
	*httptest.Server
	address, hash, authority string
	signer                   string // the token that signs cluster-info
	known                    bool   // the token is authorized
	ready                    bool   // a Ready node with the worker's name exists
	requests                 []string
	bodies                   []string
}

func start(t *testing.T) *apiServer {
	t.Helper()
	server := &apiServer{signer: token, known: true}
	// The server also listens on addresses for which its certificate is not valid.
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: server}} //nolint:gosec // a test
	server.StartTLS()
	t.Cleanup(server.Close)
	server.address = fmt.Sprintf("127.0.0.1:%d", listener.Addr().(*net.TCPAddr).Port)
	server.hash = pubkeypin.Hash(server.Certificate())
	server.authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return server
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, object any) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(object) //nolint:errcheck // the client sees it
	}
	refuse := func(status int, reason metav1.StatusReason) {
		answer(status, metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason,
			Code: int32(status), //nolint:gosec // small
		})
	}
	switch {
	case r.Method == http.MethodPatch:
		body, _ := io.ReadAll(r.Body) //nolint:errcheck // the test sees what is missing
		s.bodies = append(s.bodies, string(body))
		w.Write(body) //nolint:errcheck // the client sees it
	case strings.HasSuffix(r.URL.Path, "/configmaps/cluster-info"):
		config := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "", `+
			`"cluster": {"server": %q, "certificate-authority-data": %q}}]}`,
			"https://"+s.address, base64Of(s.authority))
		id, secret, _ := strings.Cut(s.signer, ".")
		signature, err := jws.ComputeDetachedSignature(config, id, secret)
		if err != nil {
			panic(err)
		}
		answer(http.StatusOK, corev1.ConfigMap{
			TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"},
			Data:     map[string]string{"kubeconfig": config, "jws-kubeconfig-" + id: signature},
		})
	case strings.HasPrefix(r.URL.Path, "/api/v1/nodes"):
		switch {
		case !s.known || r.Header.Get("Authorization") != "Bearer "+token:
			refuse(http.StatusUnauthorized, metav1.StatusReasonUnauthorized)
		case !s.ready:
			refuse(http.StatusNotFound, metav1.StatusReasonNotFound)
		default:
			answer(http.StatusOK, corev1.Node{
				TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: "w"},
				Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady,
					Status: corev1.ConditionTrue}}},
			})
		}
	default:
		refuse(http.StatusNotFound, metav1.StatusReasonNotFound)
	}
}

func base64Of(text string) string {
	out, err := json.Marshal([]byte(text))
	if err != nil {
		panic(err)
	}
	return strings.Trim(string(out), `"`)
}

func TestCheckTellsCauses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*apiServer, *node.Membership)
		wanted node.Refusal
	}{
		"taken": {func(*apiServer, *node.Membership) {}, -1},
		"unknown token": {func(s *apiServer, _ *node.Membership) { s.signer = "aaaaa9.4b7qz02xw8n5tj1c" },
			node.TokenRefused},
		"other secret": {func(s *apiServer, _ *node.Membership) { s.signer = "k8sim9.xb7qz02xw8n5tj1c" },
			node.TokenRefused},
		"expired": {func(s *apiServer, _ *node.Membership) { s.known = false }, node.TokenRefused},
		"other cluster": {func(_ *apiServer, m *node.Membership) {
			m.CACertHash = "sha256:" + strings.Repeat("ab",
				32)
		}, node.OtherCluster},
		"same name": {func(s *apiServer, _ *node.Membership) { s.ready = true }, node.NameTaken},
		"other name": {func(_ *apiServer, m *node.Membership) {
			m.Server = strings.Replace(m.Server, "127.0.0.1", "127.0.0.2", 1)
		}, node.OtherName},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			m := node.Membership{Server: server.address, Token: token, CACertHash: server.hash, NodeName: "w"}
			c.change(server, &m)
			err := cluster{}.Check(t.Context(), m)
			var refusal node.JoinError
			switch found := errors.As(err, &refusal); {
			case c.wanted < 0 && err != nil, c.wanted >= 0 && !found:
				t.Fatalf("%v", err)
			case found && refusal.Refusal != c.wanted:
				t.Fatalf("%d: %v", refusal.Refusal, err)
			}
			if strings.Contains(fmt.Sprint(err), strings.SplitN(token, ".", 2)[1]) {
				t.Error("the error has the token")
			}
		})
	}
}

func TestClassify(t *testing.T) {
	expired := fmt.Errorf("phase: %w", x509.CertificateInvalidError{Reason: x509.Expired})
	var refusal node.JoinError
	if !errors.As(classify(expired), &refusal) || refusal.Refusal != node.OtherTime {
		t.Error(classify(expired))
	}
	other := errors.New("x509: certificate has expired")
	if classify(other) != other || classify(nil) != nil { //nolint:errorlint // the same error
		t.Error("an error's words were read")
	}
}

func TestTimeIsTheHeadsOfAnyAnswer(t *testing.T) {
	server := start(t)
	if said := (cluster{}).Time(t.Context(), server.address); time.Since(said).Abs() > time.Minute {
		t.Error(said)
	}
	server.Close()
	if said := (cluster{}).Time(t.Context(), server.address); !said.IsZero() {
		t.Error(said)
	}
	if (cluster{}).Reachable(t.Context(), server.address) {
		t.Error("a server that is gone is reachable")
	}
}

func (s *apiServer) kubeconfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.conf")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "x", `+
		`"clusters": [{"name": "x", "cluster": {"server": %q, `+
		`"certificate-authority-data": %q}}], "users": [{"name": "x", "user": {"token": %q}}], `+
		`"contexts": [{"name": "x", "context": {"cluster": "x", `+
		`"user": "x"}}]}`, "https://"+s.address, base64Of(s.authority), token)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestApply applies a manifest with several objects, each to the resource of its kind.
func TestApply(t *testing.T) {
	server := start(t)
	manifest := "# words\napiVersion: v1\nkind: Namespace\nmetadata: {name: net}\n---\n" +
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n" +
		"metadata: {name: r}\n---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d, namespace: net}\n"
	if err := (cluster{}).Apply(t.Context(), server.kubeconfig(t), "", []byte(manifest)); err != nil {
		t.Fatal(err)
	}
	const options = "?fieldManager=k8simg-node&force=true"
	wanted := []string{
		"PATCH /api/v1/namespaces/net" + options, "PATCH /apis/rbac.authorization.k8s.io/v1/clusterroles/r" + options,
		"PATCH /apis/apps/v1/namespaces/net/daemonsets/d" + options,
	}
	if strings.Join(server.requests, " ") != strings.Join(wanted, " ") {
		t.Errorf("%q", server.requests)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (cluster{}).Apply(ctx, server.kubeconfig(t), "https://"+"192.0.2.1:6443/readyz",
		[]byte(manifest)); err == nil {
		t.Error("it goes on when it shall not")
	}
}

func TestFilesOnARealDisk(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := (files{}).Write(path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	for _, target := range []string{"x", "y"} {
		if err := (files{}).Symlink(target, filepath.Join(folder, "l")); err != nil {
			t.Error(err)
		}
	}
	if target, err := os.Readlink(filepath.Join(folder, "l")); err != nil || target != "y" {
		t.Error(target, err)
	}
	for _, synced := range []string{path, folder} {
		if err := (files{}).SyncFile(synced); err != nil {
			t.Error(err)
		}
	}
	if space, err := (files{}).Free(folder); err != nil || space.Total == 0 || space.Free > space.Total {
		t.Error(space, err)
	}
	if err := (files{}).Remove(filepath.Join(folder, "none")); err != nil {
		t.Error(err)
	}
}

func TestGrace(t *testing.T) {
	for text, wanted := range map[string]time.Duration{"5": 5 * time.Second, "0": 0, "": 30 * time.Second,
		"x": 30 * time.Second, "-1": 30 * time.Second} {
		if found := graceOf(map[string]string{graceLabel: text}); found != wanted {
			t.Errorf("%q: %v", text, found)
		}
	}
}
