package node

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"time"
)

// reportFiles are the files in a report, as glob patterns. Keys and kubeconfigs are not among them, and secrets in them
// are masked.
var reportFiles = []string{
	"/boot/firmware/node.toml", "/boot/node.toml", stateFile, imageFile, imageListFile, lastErrorFile, kubeadmFile,
	kubeletConfig, "/var/lib/kubelet/kubeadm-flags.env", joinFile, inventoryFile, "/etc/hostname", "/etc/hosts",
	"/etc/os-release", "/etc/containerd/config.toml", "/etc/cni/net.d/*.conflist", "/etc/kubernetes/manifests/*.yaml",
	"/proc/cmdline", "/proc/meminfo", "/proc/mounts", "/proc/uptime", "/proc/net/route",
}

// reportCommands are the commands whose output is in a report, by the name of the file.
var reportCommands = map[string][]string{
	"journal":    {"journalctl", "--boot", "--no-pager", "--output", "short-iso", "--lines", "5000"},
	"units":      {"systemctl", "--no-pager", "--all", "list-units"},
	"failed":     {"systemctl", "--no-pager", "--failed"},
	"addresses":  {"ip", "address"},
	"routes":     {"ip", "route", "show", "table", "all"},
	"containers": {"ctr", "--namespace", "k8s.io", "containers", "list"},
	"tasks":      {"ctr", "--namespace", "k8s.io", "tasks", "list"},
	"pods": {"kubectl", "--kubeconfig", adminFile, "--request-timeout", "20s", "get", "nodes,pods",
		"--all-namespaces", "--output", "wide"},
}

// secret describes text that a report must not contain.
type secret struct {
	pattern *regexp.Regexp
	mask    string // replaces the text
}

// secrets compiles the patterns on first use, because the other programs of the binary do not need them.
var secrets = sync.OnceValue(func() []secret {
	return []secret{
		{regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`), "TOKEN"},
		{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)`),
			"PRIVATE KEY"},
		{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`), "TOKEN"},
		{regexp.MustCompile(`(?mi)((?:(?:key|certificate)-data|token|password|authorization|auth|secret)"?\s*[:=]\s*)` +
			`("[^"\n]*"|'[^'\n]*'|\S[^\n]*)`), "${1}REMOVED"},
		{regexp.MustCompile(`(://)[^/\s:@]+:[^/\s@]+@`), "${1}REMOVED@"},
	}
})

// withoutSecrets masks everything that looks like a token, a key or a password.
func withoutSecrets(text string) string {
	for _, secret := range secrets() {
		text = secret.pattern.ReplaceAllString(text, secret.mask)
	}
	return text
}

// mostOfFile is the size limit of one file in a report. Only the end of a larger file is kept.
const mostOfFile = 4 << 20

// Report writes an archive for a bug report below /var/tmp and prints its path.
func (n *Node) Report(ctx context.Context) error {
	name := "k8simg-report-" + n.nodeName() + n.Clock.Now().UTC().Format("-20060102-150405")
	path := "/var/tmp/" + name + ".tar.gz"
	if err := os.MkdirAll(n.path("/var/tmp"), 0o1777); err != nil {
		return err
	}
	file, err := os.OpenFile(n.path(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = n.writeReport(ctx, file, name)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(n.path(path)) //nolint:errcheck // the first error is returned
		return err
	}
	_, err = fmt.Fprintf(n.Out, "%s\nThe archive contains host names and addresses, but no tokens, keys and "+
		"kubeconfigs. Check it before you send it.\n", path)
	return err
}

// writeReport writes the archive. All members are in a folder of the given name.
func (n *Node) writeReport(ctx context.Context, out io.Writer, name string) error {
	packed := gzip.NewWriter(out)
	archive := tar.NewWriter(packed)
	add := func(member, text string) error {
		if len(text) > mostOfFile {
			text = text[len(text)-mostOfFile:]
		}
		text = withoutSecrets(text)
		header := &tar.Header{Name: name + "/" + member, Mode: 0o644, Size: int64(len(text)),
			ModTime: n.Clock.Now().Truncate(time.Second)}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := io.WriteString(archive, text)
		return err
	}
	var status strings.Builder
	for _, line := range n.statusLines(ctx) {
		fmt.Fprintf(&status, "%-13s %s\n", line[0], line[1])
	}
	for path, certificate := range n.certificates() {
		fmt.Fprintf(&status, "certificate %s: %s to %s\n", path, certificate.NotBefore.UTC().Format(time.DateOnly),
			certificate.NotAfter.UTC().Format(time.DateOnly))
	}
	if err := add("status.txt", status.String()); err != nil {
		return err
	}
	for _, pattern := range reportFiles {
		paths, _ := filepath.Glob(n.path(pattern)) //nolint:errcheck // the patterns are valid
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				text = []byte(err.Error())
			}
			member := "files/" + strings.TrimPrefix(strings.TrimPrefix(path, n.Root), "/")
			if err := add(member, string(text)); err != nil {
				return err
			}
		}
	}
	names := make([]string, 0, len(reportCommands))
	for command := range reportCommands {
		names = append(names, command)
	}
	sort.Strings(names)
	for _, command := range names {
		if err := add("answers/"+command+".txt", n.Ask(ctx, reportCommands[command])); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return packed.Close()
}
