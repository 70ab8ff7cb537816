// What the kernel says of a process: processor time, memory, instructions.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// usage is what a program, or all of them, used until a point of the run.
type usage struct {
	Processor    float64 `json:"cpu_s"`             // user and system, since the start
	Spent        float64 `json:"cpu_since_s"`       // since the point before
	Anonymous    float64 `json:"anon_mb,omitempty"` // RssAnon
	Proportional float64 `json:"pss_mb,omitempty"`  // shared pages are divided among those who have them
	Instructions float64 `json:"instructions_g,omitempty"`
}

const (
	schedOther = 0
	schedBatch = 3
)

// setPolicy sets the scheduling policy of this thread, and of processes that it starts.
func setPolicy(name string) error {
	policy, parameter := uintptr(schedOther), int32(0)
	if name == "batch" {
		policy = schedBatch
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_SCHED_SETSCHEDULER, 0, policy,
		uintptr(unsafe.Pointer(&parameter))); errno != 0 {
		return fmt.Errorf("scheduling policy %s: %w", name, errno)
	}
	return nil
}

// processorTime reads the process' own clock, which counts nanoseconds where /proc counts hundredths of a second.
func processorTime(pid int) (float64, error) {
	const scheduled = 2                         // CPUCLOCK_SCHED
	clock := uint32(int32(^pid<<3)) | scheduled // clock_getcpuclockid(3)
	var now syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock), uintptr(unsafe.Pointer(&now)),
		0); errno != 0 {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, errno)
	}
	return time.Duration(now.Nano()).Seconds(), nil
}

// megabytes reads "KEY: N kB" in a file of /proc.
func megabytes(file, key string) (float64, error) {
	in, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer in.Close() //nolint:errcheck // read only
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == key+":" {
			kibibytes, err := strconv.ParseFloat(fields[1], 64)
			return kibibytes * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, key)
}

// counter counts instructions in user space, where the machine lets it.
type counter struct{ file int }

// newCounter makes a counter for the next process that this thread starts: the process inherits it and switches it on
// when it executes its program.
func newCounter() counter {
	const disabled, inherit, excludeKernel, excludeHypervisor, enableOnExec = 1 << 0, 1 << 1, 1 << 5, 1 << 6, 1 << 12
	const hardware, instructions = 0, 1
	attributes := make([]byte, 64) // PERF_ATTR_SIZE_VER0
	binary.NativeEndian.PutUint32(attributes[0:], hardware)
	binary.NativeEndian.PutUint32(attributes[4:], uint32(len(attributes)))
	binary.NativeEndian.PutUint64(attributes[8:], instructions)
	binary.NativeEndian.PutUint64(attributes[40:], disabled|inherit|excludeKernel|excludeHypervisor|enableOnExec)
	const closeOnExec = 8
	noGroup := ^uintptr(0)
	file, _, errno := syscall.Syscall6(syscall.SYS_PERF_EVENT_OPEN, uintptr(unsafe.Pointer(&attributes[0])), 0,
		^uintptr(0), noGroup, closeOnExec, 0)
	if errno != 0 {
		return counter{-1}
	}
	return counter{int(file)}
}

// read gives thousands of millions of instructions, 0 without a counter.
func (c counter) read() float64 {
	value := make([]byte, 8)
	if c.file < 0 {
		return 0
	}
	if n, err := syscall.Read(c.file, value); err != nil || n != len(value) {
		return 0
	}
	return float64(binary.NativeEndian.Uint64(value)) / 1e9
}

// machineTime gives the seconds that all processors worked, and those that the host gave to others.
func machineTime() (busy, stolen float64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0, 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	const hertz = 100
	value := func(field int) float64 {
		ticks, _ := strconv.ParseFloat(fields[field], 64) //nolint:errcheck // the kernel writes numbers
		return ticks / hertz
	}
	// user nice system, then idle and iowait, then irq softirq steal
	return value(1) + value(2) + value(3) + value(6) + value(7), value(8), nil
}

// ownTime gives the processor time of this process and of the children that it has waited for.
func ownTime() float64 {
	var total float64
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		syscall.Getrusage(who, &used) //nolint:errcheck // it fails only for other values of who
		total += time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
	}
	return total
}
