package eval

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8simg/components/maintscript/vfs"
)

// TestNothingOutside: whatever a script writes or reads, the build machine's files are out of reach.
func TestNothingOutside(t *testing.T) {
	folder := t.TempDir()
	target := filepath.Join(folder, "outside")
	if err := os.WriteFile(target, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"ln -s " + folder + " /srv\necho x >/srv/outside || true\nrm -f /srv/outside || true\n",
		"ln -s ../../../../../../../.." + folder + " /srv\nmkdir -p /srv/new || true\n",
		"echo x >" + target + " || true\n",
		"cd " + folder + " || true\necho x >outside\n",
		"exec 3>" + target + " || true\n",
		"TMPDIR=" + folder + "; export TMPDIR; echo x >" + folder + "/sh-interp-1 || true; mktemp -d || true\n",
		"rm -rf " + folder + " /\n",
		"find / -name outside -delete\n",
		"sed -i 's/secret/x/' " + target + " || true\n",
		"sed -n 'w " + target + "' /etc/passwd || true\n",
		"awk 'BEGIN { print \"x\" > \"" + target + "\" }' || true\n",
		"cp /etc/passwd " + target + " || true\n",
	} {
		_, m := evaluate(t, text, nil)
		_ = m
		entries, err := os.ReadDir(folder)
		if err != nil || len(entries) != 1 {
			t.Fatalf("%q changed the folder: %v %v", text, entries, err)
		}
		if data, err := os.ReadFile(target); err != nil || string(data) != "secret" {
			t.Fatalf("%q changed the file: %q %v", text, data, err)
		}
	}
	for _, text := range []string{"cat " + target, "read x <" + target + "; echo $x", ". " + target,
		"grep -r secret " + folder, "test -e " + target + " && echo secret", "echo " + folder + "/*tside",
		"awk '{ print }' " + target, "echo $(<" + target + ")", "command -v " + target, "sh " + target} {
		_, m := evaluate(t, text+" || true\n", nil)
		if out := m.Report.Scripts[0].Output; strings.Contains(strings.ReplaceAll(out, folder, ""), "secret") ||
			strings.Contains(out, "/outside\n") {
			t.Errorf("%q printed %q", text, out)
		}
	}
}

// TestEndless: a script that does not end, or takes more than its share, fails with a message.
func TestEndless(t *testing.T) {
	for _, test := range []struct{ name, script, message string }{
		{"a loop", "while :; do :; done\n", "more than"},
		{"a loop of commands", "while true; do touch /tmp/x; done\n", "more than"},
		{"a loop without commands", "#!/bin/bash\nwhile (( 1 )); do x=1; done\n", "did not end"},
		{"a fork bomb", "f() { f | f & }\nf\nwait\n", ""},
		{"recursion", "f() { f; }\nf\n", "without end"},
		{"recursion of scripts", "cat >/usr/bin/again <<'X'\n#!/bin/sh\nagain\nX\nchmod 755 /usr/bin/again\nagain\n",
			"without end"},
		{"sleeping", "yes | while read x; do sleep 1000; done\nwhile :; do sleep 100; done", "more than"},
		{"huge files", "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do x=$x$x; done\n" +
			"while :; do echo $x >>/srv/big; done\n", "have written more than"},
		{"many files", "i=0; while :; do i=$((i + 1)); mkdir /srv/$i; done\n", "have created more than"},
		{"a reader that waits", "tail -f /etc/passwd\n", "never end"},
		{"a pattern space that grows", "echo x | sed ':a;s/x/xx/g;ba'\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			fs := system(t, nil)
			if err := fs.Put("/srv", vfs.Node{Type: vfs.Directory, Mode: 0o755}, 0, nil); err != nil {
				t.Fatal(err)
			}
			p := &Package{Name: "thing", Version: "1", Scripts: script(test.script), Evaluate: []string{"postinst"}}
			m := timeless(fs, &Request{Date: testDate, Packages: []*Package{p},
				Limits: Limits{Commands: 5000, Bytes: 32 << 20, Nodes: 1000}})
			if strings.Contains(test.message, "did not end") {
				m.limit = func() (context.Context, context.CancelFunc) { return endsAfter(1000) }
			}
			m.Run()
			failure := m.Report.Scripts[0].Failure
			if failure == nil {
				t.Fatal("the script succeeded")
			}
			if !strings.Contains(failure.Message, test.message) {
				t.Errorf("message %q, wanted %q", failure.Message, test.message)
			}
		})
	}
}
