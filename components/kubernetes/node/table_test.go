package node

import (
	"os"
	"strings"
	"testing"
	"time"
)

// arrange brings a machine into the situation of a row, with the row's finding.
func arrange(b *board, row Row) {
	role := single
	switch row.From {
	case Joining, WorkerDone:
		role = worker
	case Alone:
		role = standalone
	}
	phases := map[Situation]string{
		Initialising: initialising, Initialised: initialised, ClusterDone: done, Joining: joining, WorkerDone: done,
		Alone: done, Resetting: resetting,
	}
	if phase := phases[row.From]; phase != "" {
		state := State{Role: role, Phase: phase, Hostname: "node"}
		if role == single {
			state.Address = "10.0.2.15"
		}
		b.put(stateFile, state.text())
		if row.From != Alone && row.From != Resetting && phase != initialising && phase != joining {
			b.put(authorityFile, authority)
		}
	}
	made := b.now
	member := func() {
		certificate, key := b.leaf("system:node:node", made, certificateLife)
		b.put(clientPair, certificate+key)
		b.put(kubeletFile, "client-certificate: kubelet-client-current.pem\n")
		b.put(kubeletConfig, "config")
		b.put(authorityFile, authority)
	}
	switch row.Found {
	case ByHand:
		b.put(kubeletFile, "by hand")
	case HasData, Used:
		b.put(etcdFolder+"/member/wal/0.wal", "stored")
	case Joined:
		member()
	case Lapsed:
		made = b.now.Add(-400 * 24 * time.Hour)
		member()
	case Due:
		b.now = b.now.Add(-200 * 24 * time.Hour)
	}
	if row.Wish == WantRenew && role == single && row.Found != Unused && row.From != Nothing && row.From != Resetting {
		if row.From == Initialising {
			b.put(etcdFolder+"/member/wal/0.wal", "stored")
		}
		b.makeCertificates()
		b.makeKubeconfigs()
		if row.Found == Begun {
			certificate, key := b.leaf("new", b.now, certificateLife)
			b.put(journalFolder+pkiFolder+"/apiserver.crt", certificate)
			b.put(journalFolder+pkiFolder+"/apiserver.key", key)
		}
	}
	b.now = time.Unix(1800000000, 0)
	switch wish := row.Wish; {
	case wish == WantWorker, wish == WantOther && row.From != Joining && row.From != WorkerDone:
		b.workerFile()
	case wish == WantStandalone:
		b.nodeFile(`role = "standalone"`)
	}
}

// TestEveryTransition executes each row of the table on its own machine. The row must lead to its next situation, and
// only a reset may delete data of etcd.
func TestEveryTransition(t *testing.T) {
	covered := 0
	for _, row := range table {
		t.Run(strings.Join([]string{string(row.From), string(row.Wish), string(row.Found)}, ", "), func(t *testing.T) {
			b := newBoard(t, 1000)
			arrange(b, row)
			n, err := New(b.machine())
			b.must(err)
			if found := n.state.situation(); found != row.From {
				t.Fatalf("the machine is %q", found)
			}
			b.must(os.MkdirAll(b.root+"/run/k8simg", 0o700))
			if row.Wish != WantPrepare && row.Wish != WantReset && row.Wish != WantStart && row.Wish != WantRenew {
				b.must(n.readSettings())
				if found := n.wish(); found != row.Wish {
					t.Fatalf("node.toml wants %q", found)
				}
			}
			taken, err := find(row.From, row.Wish, func() Finding { return n.look(t.Context(), row.From, row.Wish) })
			b.must(err)
			if taken.Action != row.Action || taken.Found != row.Found {
				t.Fatalf("the transition is %q, found %q", taken.Action, taken.Found)
			}
			data := b.get(etcdFolder + "/member/wal/0.wal")
			err = row.do(n, t.Context())
			if refuses := strings.HasPrefix(row.Action, "keep role") || row.Action == "leave alone" ||
				row.Action == "keep data"; refuses != (err != nil) {
				t.Fatalf("it ended with %v\n%s", err, b.journal.String())
			}
			next := n.state.situation()
			if next != row.Next {
				t.Errorf("the machine is %q and not %q", next, row.Next)
			}
			if onDisk := loadState(b.root + stateFile).situation(); onDisk != next {
				t.Errorf("the disk says %q", onDisk)
			}
			if row.Action != "undo" && data != "" && b.get(etcdFolder+"/member/wal/0.wal") != data {
				t.Error("what etcd has stored is gone")
			}
			covered++
		})
	}
	if covered != len(table) {
		t.Errorf("%d of %d transitions", covered, len(table))
	}
}

func TestTableIsComplete(t *testing.T) {
	situations := []Situation{Nothing, Initialising, Initialised, ClusterDone, Joining, WorkerDone, Alone, Resetting}
	findings := map[Situation][]Finding{Nothing: {Clean, ByHand, HasData}, Initialising: {Used, Unused},
		Joining: {Joined, HasData, Unused}}
	wishes := map[Situation][]Wish{
		Nothing: {WantCluster, WantWorker, WantStandalone}, Initialising: {WantCluster, WantOther},
		Initialised: {WantCluster, WantOther},
		ClusterDone: {WantCluster, WantOther}, Joining: {WantWorker, WantOther}, WorkerDone: {WantWorker, WantOther},
		Alone:     {WantStandalone, WantOther},
		Resetting: {WantStart},
	}
	seen := map[string]bool{}
	for _, row := range table {
		key := string(row.From) + string(row.Wish) + string(row.Found)
		if seen[key] {
			t.Errorf("%s stands twice", key)
		}
		seen[key] = true
	}
	for _, from := range situations {
		list := findings[from]
		if list == nil {
			list = []Finding{Any}
		}
		for _, wish := range append(wishes[from], WantPrepare, WantReset, WantRenew) {
			for _, found := range list {
				if _, err := find(from, wish, func() Finding { return found }); err != nil {
					t.Errorf("%v, found %q", err, found)
				}
			}
		}
	}
}

func TestStatesThatSayNothing(t *testing.T) {
	for _, text := range []string{"", "nonsense", "role=single\n", "phase=done\n", "role=x\nphase=done\n",
		"role=single\nphase=x\n"} {
		b := newBoard(t, 1000)
		b.put(stateFile, text)
		if state := loadState(b.root + stateFile); state != (State{}) {
			t.Errorf("%q is %+v", text, state)
		}
	}
	state := State{Role: single, Phase: done, Hostname: "a", Address: "10.0.0.1"}
	b := newBoard(t, 1000)
	b.put(stateFile, "role=single\nphase=done\nhostname=a\naddress=10.0.0.1\n")
	if found := loadState(b.root + stateFile); found != state || state.text() != b.get(stateFile) {
		t.Errorf("%+v", found)
	}
}
