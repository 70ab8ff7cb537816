package node

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Phases of a node in the state file.
const (
	initialising = "initialising" // kubeadm init was started
	initialised  = "initialised"  // kubeadm init has succeeded
	joining      = "joining"      // kubeadm join was started
	done         = "done"
	resetting    = "resetting"
)

// Roles in node.toml.
const (
	single       = "single"
	controlPlane = "control-plane"
	worker       = "worker"
	standalone   = "standalone"
)

// State is the content of the state file. Role is empty if there is no valid state file.
type State struct{ Role, Phase, Hostname, Address string }

// loadState reads a state file. It returns the zero State if the file is missing or invalid.
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

// save writes the state file. All other files are written to the disk before, so that a power cut never leaves a state
// file without the files that it describes.
func (n *Node) save(state State, phase string) error {
	state.Phase = phase
	n.Files.Sync()
	if _, err := n.write(stateFile, state.text(), 0o644); err != nil {
		return err
	}
	n.state = state
	return nil
}

// forget removes the state file after everything that it describes was removed.
func (n *Node) forget() error {
	n.Files.Sync()
	if err := n.Files.Remove(n.path(stateFile)); err != nil {
		return err
	}
	n.state = State{}
	return nil
}
