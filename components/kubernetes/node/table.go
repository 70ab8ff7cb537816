package node

import (
	"context"
	"fmt"
)

// Situation is the state of a machine, derived from the role and the phase in its state file.
type Situation string

// Situations.
const (
	Nothing      Situation = "nothing"
	Initialising Situation = "initialising" // single or control-plane
	Initialised  Situation = "initialised"
	ClusterDone  Situation = "cluster done"
	Joining      Situation = "joining" // worker
	WorkerDone   Situation = "worker done"
	Alone        Situation = "standalone done"
	Resetting    Situation = "resetting"
)

// Wish is what the verb asks for.
type Wish string

// Wishes.
const (
	WantCluster    Wish = "start as control plane" // node.toml has the machine's role, or the machine has none
	WantWorker     Wish = "start as worker"
	WantStandalone Wish = "start as standalone"
	WantOther      Wish = "start in another role"
	WantPrepare    Wish = "prepare" // before the kubelet starts
	WantReset      Wish = "reset"
	WantRenew      Wish = "renew" // renew certificates that are due
	WantStart      Wish = "start" // before node.toml is read
)

// Finding is what the disk and the running programs show in addition to the state file.
type Finding string

// Findings, with the situations to which they apply.
const (
	Any     Finding = ""
	Clean   Finding = "clean"   // Nothing: no files of a cluster
	ByHand  Finding = "by hand" // Nothing: somebody has run kubeadm
	HasData Finding = "data"    // Nothing, Joining: etcd has stored data, which this program has not created
	Unused  Finding = "unused"  // Initialising, Joining: the node was certainly never part of a cluster
	Used    Finding = "used"    // Initialising: the node may have been part of a cluster
	Joined  Finding = "joined"  // Joining: the cluster has issued the node's certificate
	Lapsed  Finding = "lapsed"  // WorkerDone: the node's certificate has expired, and node.toml has a token
	Due     Finding = "due"     // WantRenew on a control plane: certificates are due
	Begun   Finding = "begun"   // WantRenew on a control plane: new certificates are not installed completely
)

// Row is one transition. Action names what do does, and Next is the situation after its success. With More, run
// continues with the row for the next situation.
type Row struct {
	From   Situation
	Wish   Wish
	Found  Finding
	Action string
	Next   Situation
	More   bool
	do     func(*Node, context.Context) error
}

// table lists all transitions. Only a reset deletes data that etcd has stored. Other rows that undo work apply only to
// machines without such data.
var table = []Row{
	// Without a state file.
	{Nothing, WantCluster, Clean, "make cluster", Initialised, true, (*Node).makeCluster},
	{Nothing, WantWorker, Clean, "join", Joining, true, (*Node).joinCluster},
	{Nothing, WantStandalone, Clean, "make standalone", Alone, false, (*Node).makeStandalone},
	{Nothing, WantCluster, ByHand, "leave alone", Nothing, false, (*Node).refuseByHand},
	{Nothing, WantWorker, ByHand, "leave alone", Nothing, false, (*Node).refuseByHand},
	{Nothing, WantStandalone, ByHand, "leave alone", Nothing, false, (*Node).refuseByHand},
	{Nothing, WantCluster, HasData, "keep data", Nothing, false, (*Node).refuseForeignData},
	{Nothing, WantWorker, HasData, "keep data", Nothing, false, (*Node).refuseForeignData},
	{Nothing, WantStandalone, HasData, "keep data", Nothing, false, (*Node).refuseForeignData},

	// A control plane.
	{Initialising, WantCluster, Unused, "make again", Nothing, true, (*Node).makeAgain},
	{Initialising, WantCluster, Used, "finish kubeadm", Initialised, true, (*Node).continueCluster},
	{Initialising, WantOther, Unused, "undo", Nothing, true, (*Node).undoForOther},
	{Initialising, WantOther, Used, "keep role", Initialising, false, (*Node).refuseRole},
	{Initialised, WantCluster, Any, "finish cluster", ClusterDone, false, (*Node).finishCluster},
	{Initialised, WantOther, Any, "keep role", Initialised, false, (*Node).refuseRole},
	{ClusterDone, WantCluster, Any, "run control plane", ClusterDone, false, (*Node).runCluster},
	{ClusterDone, WantOther, Any, "keep role", ClusterDone, false, (*Node).refuseRole},

	// A worker.
	{Joining, WantWorker, Joined, "finish worker", WorkerDone, false, (*Node).finishWorker},
	{Joining, WantWorker, HasData, "keep data", Joining, false, (*Node).refuseWorkerData},
	{Joining, WantWorker, Unused, "join again", Nothing, true, (*Node).joinAgain},
	{Joining, WantOther, Joined, "keep role", Joining, false, (*Node).refuseRole},
	{Joining, WantOther, HasData, "keep role", Joining, false, (*Node).refuseRole},
	{Joining, WantOther, Unused, "undo", Nothing, true, (*Node).undoForOther},
	{WorkerDone, WantWorker, Lapsed, "join anew", Nothing, true, (*Node).joinAnew},
	{WorkerDone, WantWorker, Any, "run worker", WorkerDone, false, (*Node).runWorker},
	{WorkerDone, WantOther, Any, "keep role", WorkerDone, false, (*Node).refuseRole},

	// A kubelet alone.
	{Alone, WantStandalone, Any, "make standalone", Alone, false, (*Node).makeStandalone},
	{Alone, WantOther, Any, "leave standalone", Nothing, true, (*Node).leaveStandalone},

	// Prepare, before the kubelet starts.
	{Nothing, WantPrepare, Any, "nothing", Nothing, false, (*Node).nothing},
	{Initialising, WantPrepare, Unused, "keep kubelet", Initialising, false, (*Node).keepKubelet},
	{Initialising, WantPrepare, Used, "keep address", Initialising, false, (*Node).keepAddress},
	{Initialised, WantPrepare, Any, "keep address", Initialised, false, (*Node).keepAddress},
	{ClusterDone, WantPrepare, Any, "keep address", ClusterDone, false, (*Node).keepAddress},
	{Joining, WantPrepare, Any, "nothing", Joining, false, (*Node).nothing},
	{WorkerDone, WantPrepare, Any, "keep address", WorkerDone, false, (*Node).keepAddress},
	{Alone, WantPrepare, Any, "keep address", Alone, false, (*Node).keepAddress},
	{Resetting, WantPrepare, Any, "nothing", Resetting, false, (*Node).nothing},

	// Renewal of certificates: before the kubelet starts, once a day, and after the clock was set.
	{Nothing, WantRenew, Any, "nothing", Nothing, false, (*Node).nothing},
	{Initialising, WantRenew, Unused, "nothing", Initialising, false, (*Node).nothing},
	{Initialising, WantRenew, Begun, "finish renewal", Initialising, true, (*Node).finishRenewal},
	{Initialising, WantRenew, Due, "renew", Initialising, true, (*Node).beginRenewal},
	{Initialising, WantRenew, Any, "take up", Initialising, false, (*Node).takeUp},
	{Initialised, WantRenew, Begun, "finish renewal", Initialised, true, (*Node).finishRenewal},
	{Initialised, WantRenew, Due, "renew", Initialised, true, (*Node).beginRenewal},
	{Initialised, WantRenew, Any, "take up", Initialised, false, (*Node).takeUp},
	{ClusterDone, WantRenew, Begun, "finish renewal", ClusterDone, true, (*Node).finishRenewal},
	{ClusterDone, WantRenew, Due, "renew", ClusterDone, true, (*Node).beginRenewal},
	{ClusterDone, WantRenew, Any, "take up", ClusterDone, false, (*Node).takeUp},
	{Joining, WantRenew, Any, "nothing", Joining, false, (*Node).nothing},
	{WorkerDone, WantRenew, Any, "look at worker", WorkerDone, false, (*Node).lookAtWorker},
	{Alone, WantRenew, Any, "look at kubelet", Alone, false, (*Node).restartHolders},
	{Resetting, WantRenew, Any, "nothing", Resetting, false, (*Node).nothing},

	// Reset, only by an administrator. The next start completes an interrupted reset.
	{Nothing, WantReset, Any, "undo", Nothing, false, (*Node).undo},
	{Initialising, WantReset, Any, "reset", Resetting, true, (*Node).beginReset},
	{Initialised, WantReset, Any, "reset", Resetting, true, (*Node).beginReset},
	{ClusterDone, WantReset, Any, "reset", Resetting, true, (*Node).beginReset},
	{Joining, WantReset, Any, "reset", Resetting, true, (*Node).beginReset},
	{WorkerDone, WantReset, Any, "reset", Resetting, true, (*Node).beginReset},
	{Alone, WantReset, Any, "leave standalone", Nothing, false, (*Node).leaveStandalone},
	{Resetting, WantReset, Any, "undo", Nothing, false, (*Node).undo},
	{Resetting, WantStart, Any, "finish reset", Nothing, false, (*Node).finishReset},
}

// situation returns the situation that a state file describes.
func (s State) situation() Situation {
	switch {
	case s.Role == "":
		return Nothing
	case s.Phase == resetting:
		return Resetting
	case s.Phase == initialising && isCluster(s.Role):
		return Initialising
	case s.Phase == initialised && isCluster(s.Role):
		return Initialised
	case s.Phase == done && isCluster(s.Role):
		return ClusterDone
	case s.Phase == joining && s.Role == worker:
		return Joining
	case s.Phase == done && s.Role == worker:
		return WorkerDone
	case s.Phase == done:
		return Alone
	}
	return Nothing // the program never writes such a state
}

// isCluster reports whether a machine with this role runs a control plane.
func isCluster(role string) bool { return role == single || role == controlPlane }

// find returns the row for a situation and a wish. It calls found only if the row depends on a finding.
func find(from Situation, wish Wish, found func() Finding) (Row, error) {
	for _, row := range table {
		if row.From == from && row.Wish == wish && (row.Found == Any || row.Found == found()) {
			return row, nil
		}
	}
	return Row{}, fmt.Errorf("there is no transition from %q for %q", from, wish)
}

// run executes rows of the table until one has no More. A failed attempt of kubeadm does not change the situation; the
// next row is then chosen by a new finding.
func (n *Node) run(ctx context.Context, wish func() Wish) error {
	for {
		from := n.state.situation()
		wanted := wish()
		row, err := find(from, wanted, func() Finding { return n.look(ctx, from, wanted) })
		if err != nil {
			return err
		}
		if n.trace != nil {
			n.trace(from, row)
		}
		if err := row.do(n, ctx); err != nil {
			return err
		}
		if !row.More {
			return nil
		}
	}
}

// look returns the finding in the situations that have more than one.
func (n *Node) look(ctx context.Context, from Situation, wish Wish) Finding {
	if wish == WantRenew {
		if from == Initialising && n.neverWorked(ctx) {
			return Unused
		}
		return n.lookForRenewal()
	}
	switch from {
	case Nothing:
		if n.exists(kubeletFile) {
			return ByHand
		} else if n.clusterData() {
			return HasData
		}
		return Clean
	case Initialising:
		if n.neverWorked(ctx) {
			return Unused
		}
		return Used
	case Joining:
		if n.joined() {
			return Joined
		} else if n.clusterData() {
			return HasData
		}
		return Unused
	case WorkerDone:
		if n.file != nil && n.file.Token != "" && n.lapsed() {
			return Lapsed
		}
	}
	return Any
}
