package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runCommand runs the program on a machine that does not exist.
func runCommand(t *testing.T, arguments ...string) (code int, out, problems string) {
	t.Helper()
	var printed, reported bytes.Buffer
	machine := func() (Machine, error) { return Machine{}, errors.New("a machine was used") }
	code = command(arguments, machine, &printed, &reported)
	return code, printed.String(), reported.String()
}

func TestHelpDescribesEveryVerb(t *testing.T) {
	for _, argument := range []string{"-h", "--help", "help"} {
		code, out, problems := runCommand(t, argument)
		if code != 0 || problems != "" || !strings.HasPrefix(out, "Usage: k8simg-node VERB\n") {
			t.Errorf("%s: %d %q %q", argument, code, out, problems)
		}
		for _, v := range verbs {
			if !strings.Contains(out, fmt.Sprintf("\n  %-14s %s\n", v.usageLine(), v.summary)) {
				t.Errorf("%s does not list %s", argument, v.name)
			}
		}
		narrow(t, out)
	}
	for _, v := range verbs {
		for _, option := range []string{"-h", "--help"} {
			code, out, problems := runCommand(t, v.name, option)
			if code != 0 || problems != "" || !strings.HasPrefix(out, "Usage: k8simg-node "+v.usageLine()+"\n\n") ||
				len(v.help) < 40 || !strings.Contains(out, v.help) {
				t.Errorf("%s %s: %d %q %q", v.name, option, code, out, problems)
			}
			narrow(t, out)
		}
	}
}

// narrow fails for lines that do not fit on a console.
func narrow(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	for words, wanted := range map[string]string{
		"":               "a verb is missing",
		"frobnicate":     `there is no verb "frobnicate"`,
		"check":          "check needs one argument, FILE",
		"check a b":      "check needs one argument, FILE",
		"status verbose": `status has no arguments, but was given "verbose"`,
	} {
		code, out, problems := runCommand(t, strings.Fields(words)...)
		if code != 2 || out != "" || !strings.HasPrefix(problems, "k8simg-node: "+wanted+"\n\nUsage: k8simg-node VERB\n") {
			t.Errorf("%q: %d %q %q", words, code, out, problems)
		}
	}
}

func TestVerbsWithoutAMachine(t *testing.T) {
	if code, out, problems := runCommand(t, "version"); code != 0 || !strings.HasPrefix(out, "v") || problems != "" {
		t.Error(code, out, problems)
	}
	file := filepath.Join(t.TempDir(), "node.toml")
	for text, wanted := range map[string]int{"role = \"single\"\n": 0, "role = \"singel\"\n": 2} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, problems := runCommand(t, "check", file)
		if code != wanted || out != "" || strings.HasPrefix(problems, "node.toml:1: role: ") != (wanted == 2) {
			t.Errorf("%q: %d %q %q", text, code, out, problems)
		}
	}
	if code, _, problems := runCommand(t, "status"); code != 1 || problems != "k8simg-node: a machine was used\n" {
		t.Error(code, problems)
	}
}

func TestErrorsOfVerbs(t *testing.T) {
	var out bytes.Buffer
	if code := exitCode(&fs.PathError{Op: "open", Path: adminFile, Err: fs.ErrPermission}, &out); code != 1 ||
		out.String() != "k8simg-node: open "+adminFile+": permission denied. Run k8simg-node as root\n" {
		t.Error(code, out.String())
	}
	out.Reset()
	if code := exitCode(fmt.Errorf("start: %w", stop{"reported"}), &out); code != 1 || out.Len() > 0 {
		t.Error(code, out.String())
	}
	for state, wanted := range map[State]string{
		{}:                                  "it is no node yet. Run this verb on a machine with role",
		{Role: worker, Phase: done}:         "this machine is no control plane, but has the role worker. Run this verb on",
		{Role: single, Phase: initialising}: "the control plane is not complete. `journalctl -u k8simg-node`",
		{Role: single, Phase: resetting}:    "Run `/usr/libexec/k8simg-node reset` again",
	} {
		b := newBoard(t, 1000)
		if state.Role != "" {
			b.put(stateFile, state.text())
		}
		for _, verb := range []string{"token", "kubeconfig"} {
			if err := b.power(verb); err == nil || !strings.Contains(err.Error(), wanted) {
				t.Errorf("%+v: %v", state, err)
			}
		}
	}
}

func TestDamagedKubeconfigOfTheAdministrator(t *testing.T) {
	b := newBoard(t, 1000)
	b.starts()
	for _, text := range []string{"clusters: []\n", "{", "clusters: [{name: x}]\nusers: [{name: y}]\n"} {
		b.put(adminFile, text)
		if err := b.power("kubeconfig"); err == nil || !strings.Contains(err.Error(), "exactly one cluster and one user") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestRenewalSaysThatNothingIsDue(t *testing.T) {
	b := madeNode(t)
	b.renews()
	if !strings.Contains(b.journal.String(), "no certificate of this control plane is due") {
		t.Error(b.journal.String())
	}
	b.now = b.now.Add(200 * day)
	b.renews()
	if strings.Contains(b.journal.String(), "is due") {
		t.Error(b.journal.String())
	}
}
