package node

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"hyperkube/node/nodefile"
)

func removedToken(t *testing.T, before string) string {
	t.Helper()
	file, mistakes, err := nodefile.Parse([]byte(before), nodefile.Options{})
	if err != nil || len(mistakes) > 0 {
		t.Fatal(err, mistakes)
	}
	if after := file.RemoveToken([]byte(before)); after != nil {
		return string(after)
	}
	return before
}

// firstStart returns a machine before its first start, and its node.toml.
func firstStart(t *testing.T, role string) (*board, string) {
	t.Helper()
	b := newBoard(t, 1000)
	if role == worker {
		b.workerFile()
	} else {
		b.nodeFile(`role = "control-plane"`, `token = "`+ownToken+`"`, "# end")
	}
	return b, b.get("/boot/node.toml")
}

// lastOf returns the number of the last event with a prefix.
func lastOf(names []string, prefix string) int {
	last := 0
	for i, name := range names {
		if strings.HasPrefix(name, prefix) {
			last = i + 1
		}
	}
	return last
}

// interruptions are the kinds of interruptions.
var interruptions = []string{"power cut, names as synced", "killed", "power cut, all names", "full"}

// interrupt makes the next run end at an event.
func (b *board) interrupt(kind string, at int) {
	if kind == "full" {
		b.fullAt = at
	} else {
		b.killAt = at
	}
	if strings.HasPrefix(kind, "power") {
		b.remember()
	}
}

// TestEveryInterruption interrupts a first start at each of its events: the power fails, the program is killed, or the
// disk is full. The next start must succeed and keep what etcd has stored. Without K8SIMG_TEST_ALL=1, the kinds of
// interruptions take turns, and all are tested only around the success of kubeadm.
func TestEveryInterruption(t *testing.T) {
	for _, role := range []string{controlPlane, worker} {
		b, _ := firstStart(t, role)
		b.starts()
		events, names := b.events, b.names
		if events < 20 {
			t.Fatalf("only %d events", events)
		}
		for at := 1; at <= events; at++ {
			kinds := interruptions
			if succeeded := lastOf(names, "kubeadm: "); os.Getenv("K8SIMG_TEST_ALL") == "" && (at < succeeded ||
				at > succeeded+5) {
				kinds = kinds[at%len(kinds):][:1]
			}
			for _, kind := range kinds {
				t.Run(fmt.Sprintf("%s at %d %s", role, at, kind), func(t *testing.T) {
					b, before := firstStart(t, role)
					b.interrupt(kind, at)
					err := b.power("start")
					if kind != "full" && !b.dead {
						t.Fatalf("it was not killed: %v", err)
					}
					event := strings.TrimPrefix(strings.ReplaceAll(names[at-1], b.root, ""), " ")
					b.killAt, b.fullAt = -1, -1
					kept := b.cluster
					if strings.HasPrefix(kind, "power") {
						b.powerCut(kind == "power cut, all names")
						if b.get(etcdFolder+"/member/wal/0.wal") == "" {
							if kept != "" && b.made {
								t.Fatalf("%s: the stand-in lost its data", event)
							}
							kept = ""
						}
					}
					if kind != "killed" {
						b.boot()
					}
					if err := b.power("start"); err != nil {
						t.Fatalf("%s: the next start ended with %v: %q\n%s", event, err, b.rows, b.journal.String())
					}
					b.phase(done)
					if found := b.get(etcdFolder + "/member/wal/0.wal"); kept != "" && found != kept {
						t.Errorf("%s: the cluster is %q, and was %q", event, found, kept)
					}
					if after := b.get("/boot/node.toml"); after != removedToken(t, before) {
						t.Errorf("%s: node.toml is %q", event, after)
					}
					b.lacks(kubeadmFile, ownToken)
					if role == controlPlane {
						b.holds(joinFile, ownHash)
						if target, err := os.Readlink(b.root + "/root/.kube/config"); err != nil ||
							target != adminFile {
							t.Errorf("%s: no kubeconfig: %v", event, err)
						}
					}
				})
			}
		}
	}
}
