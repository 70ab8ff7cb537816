package node

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Phases of a node, as the state file names them.
const (
	initialising = "initialising" // kubeadm init has begun
	initialised  = "initialised"  // kubeadm init has succeeded
	joining      = "joining"      // kubeadm join has begun
	done         = "done"
	resetting    = "resetting"
)

// Roles of node.toml.
const (
	single       = "single"
	controlPlane = "control-plane"
	worker       = "worker"
	standalone   = "standalone"
)

// State is what the state file says. Without a role there is none.
type State struct{ Role, Phase, Hostname, Address string }

// loadState reads a state file. A file that says nothing is no state.
func loadState(path string) State {
	text, err := os.ReadFile(path)
	if err != nil {
		return State{}
	}
	var state State
	for line := range strings.SplitSeq(string(text), "\n") {
		switch key, value, _ := strings.Cut(line, "="); key {
		case "role":
			state.Role = value
		case "phase":
			state.Phase = value
		case "hostname":
			state.Hostname = value
		case "address":
			state.Address = value
		}
	}
	if !slices.Contains([]string{single, controlPlane, worker, standalone}, state.Role) ||
		!slices.Contains([]string{initialising, initialised, joining, done, resetting}, state.Phase) {
		return State{}
	}
	return state
}

func (s State) text() string {
	return fmt.Sprintf("role=%s\nphase=%s\nhostname=%s\naddress=%s\n", s.Role, s.Phase, s.Hostname, s.Address)
}

// save writes the state. Everything else that is not on the disk yet goes there first, or a power cut would leave a
// state that is ahead of its files.
func (n *Node) save(state State, phase string) error {
	state.Phase = phase
	n.Files.Sync()
	if _, err := n.write(stateFile, state.text(), 0o644); err != nil {
		return err
	}
	n.state = state
	return nil
}

// forget removes the state, when nothing is left of what it speaks of.
func (n *Node) forget() error {
	n.Files.Sync()
	if err := n.Files.Remove(n.path(stateFile)); err != nil {
		return err
	}
	n.state = State{}
	return nil
}
