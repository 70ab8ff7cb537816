// Command control-plane measures a hyperkube's control plane on this machine: processor time and memory of etcd,
// kube-apiserver, kube-controller-manager and kube-scheduler until they are ready, at rest, and under load.
//
// Everything is on loopback and in a temporary folder, and ends with the command. Root is not needed. Usage:
//
//	control-plane -hyperkube FILE [OPTION...] [VARIANT...]
//	control-plane medians <ROWS
//
// A variant is one argument: a name, and settings that differ from the image's, with blanks between them:
//
//	policy=batch|other        CPU scheduling policy of everything that runs
//	binary=FILE               another hyperkube
//	env.NAME=VALUE            environment of every program
//	PROGRAM.env.NAME=VALUE    environment of one program
//	PROGRAM.FLAG=VALUE        a flag of one program
//
// One line of JSON is printed for each run. With more than one run, a table of medians follows. `medians` prints the
// table of rows that were saved.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// settings is what a run is told, as JSON in its argument.
type settings struct {
	Name        string
	Round       int
	Binary      string
	Policy      string
	Memory      int                          // MiB of the machine that the settings are made for
	Environment map[string]map[string]string // by program; "" for every program
	Flags       map[string][]string
	Until       string
	Idle        time.Duration
	Pods        int
	Clients     int
	Concurrency []int
	Requests    int
	Probes      int
	Limit       time.Duration
	Logs        string
}

// phases in their order; -until names the last.
var phases = []string{"ready", "idle", "probes", "churn", "load"}

func init() { runtime.LockOSThread() } // for startProcess and setPolicy

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == "run":
		err = runOnce(ctx, os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "client":
		err = runClient(ctx, os.Args[2])
	case len(os.Args) == 2 && os.Args[1] == "medians":
		err = printMedians(os.Stdin, os.Stdout)
	default:
		err = drive(ctx)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "control-plane: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// drive runs all variants in turn, as often as wanted. Each run is a process of its own, so that all of it has the
// variant's scheduling policy.
func drive(ctx context.Context) error {
	hyperkube := flag.String("hyperkube", "", "hyperkube to measure")
	runs := flag.Int("runs", 1, "runs of each variant, in turn with the others")
	memory := flag.Int("memory", 1996, "MiB of memory of the machine that the programs' limits are made for")
	until := flag.String("until", "load", "last phase: "+strings.Join(phases, ", "))
	idle := flag.Duration("idle", 15*time.Second, "how long programs are watched at rest, after as long a pause")
	pods := flag.Int("pods", 200, "pods of the Deployment, up to 250")
	clients := flag.Int("clients", 4, "client processes")
	concurrency := flag.String("concurrency", "10,50", "requests at once of each client; a load for each number")
	requests := flag.Int("requests", 2000, "requests of each client in each load")
	probes := flag.Int("probes", 300, "probes of each program")
	limit := flag.Duration("limit", 6*time.Minute, "time limit of one run")
	logs := flag.String("logs", "", "folder to keep the programs' logs in")
	flag.Parse()

	base := settings{
		Policy: "batch", Memory: *memory, Until: *until, Idle: *idle, Pods: *pods, Clients: *clients,
		Requests: *requests, Probes: *probes, Limit: *limit, Logs: *logs,
	}
	if !slices.Contains(phases, *until) || *runs < 1 || *pods < 1 || *pods > 250 || *clients < 1 || *requests < 1 ||
		*probes < 1 {
		return fmt.Errorf("-until, -runs, -pods, -clients, -requests or -probes has no sensible value; see -help")
	}
	for _, number := range strings.Split(*concurrency, ",") {
		var level int
		if _, err := fmt.Sscanf(number, "%d", &level); err != nil || level < 1 || level > 90 {
			return fmt.Errorf("-concurrency: %q is not a number from 1 to 90", number)
		}
		base.Concurrency = append(base.Concurrency, level)
	}
	words := flag.Args()
	if len(words) == 0 {
		words = []string{"image"}
	}
	var variants []settings
	for _, word := range words {
		variant, err := parseVariant(base, *hyperkube, word)
		if err != nil {
			return err
		}
		if _, err := os.Stat(variant.Binary); err != nil {
			return fmt.Errorf("variant %s: %w; name a hyperkube with -hyperkube or binary=", variant.Name, err)
		}
		variants = append(variants, variant)
	}

	var rows bytes.Buffer
	for round := range *runs {
		for i := range variants {
			variant := variants[(i+round)%len(variants)] // no variant always follows the same other one
			variant.Round = round + 1
			row, err := startRun(ctx, variant)
			if err != nil {
				return fmt.Errorf("variant %s, run %d: %w", variant.Name, round+1, err)
			}
			rows.Write(row)
			os.Stdout.Write(row) //nolint:errcheck // nobody reads
		}
	}
	if *runs > 1 {
		return printMedians(&rows, os.Stdout)
	}
	return nil
}

// parseVariant reads the argument for a variant.
func parseVariant(variant settings, hyperkube, argument string) (settings, error) {
	words := strings.Fields(argument)
	if len(words) == 0 || strings.Contains(words[0], "=") {
		return variant, fmt.Errorf("variant %q has no name", argument)
	}
	variant.Name, variant.Binary = words[0], hyperkube
	variant.Environment, variant.Flags = map[string]map[string]string{}, map[string][]string{}
	for _, word := range words[1:] {
		key, value, found := strings.Cut(word, "=")
		program, name, dotted := strings.Cut(key, ".")
		set := func(program, name string) {
			if variant.Environment[program] == nil {
				variant.Environment[program] = map[string]string{}
			}
			variant.Environment[program][name] = value
		}
		switch {
		case key == "policy" && (value == "batch" || value == "other"):
			variant.Policy = value
		case key == "binary" && value != "":
			variant.Binary = value
		case found && dotted && program == "env":
			set("", name)
		case found && dotted && slices.Contains(programNames, program):
			if variable, isVariable := strings.CutPrefix(name, "env."); isVariable {
				set(program, variable)
			} else {
				variant.Flags[program] = append(variant.Flags[program], "--"+name+"="+value)
			}
		default:
			return variant, fmt.Errorf("variant %s: %q is no setting; see the head of bench/control-plane/main.go",
				variant.Name, word)
		}
	}
	var err error
	if variant.Binary, err = filepath.Abs(variant.Binary); err != nil {
		return variant, err
	}
	return variant, nil
}

// startRun measures a variant once, and returns its row.
func startRun(ctx context.Context, variant settings) ([]byte, error) {
	argument, err := json.Marshal(variant)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := setPolicy(variant.Policy); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	command := exec.Command(self, "run", string(argument))
	command.Stdout, command.Stderr = &out, os.Stderr
	err = startProcess(command)
	if back := setPolicy("other"); back != nil {
		return nil, back
	}
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-ctx.Done(): // it ends its programs and removes its folder
			command.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it has ended
		case <-done:
		}
	}()
	if err := command.Wait(); err != nil {
		return nil, err
	}
	return out.Bytes(), ctx.Err()
}

// startProcess starts a process that is killed when this one ends, however it ends. The kernel kills it when the thread
// ends that started it, so the caller must be locked to its thread until the process ends.
func startProcess(command *exec.Cmd) error {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return command.Start()
}
