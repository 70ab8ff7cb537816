package main

import (
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestVariants(t *testing.T) {
	base := settings{Policy: "batch", Memory: 1996}
	variant, err := parseVariant(base, "/bin/hyperkube",
		"mine policy=other env.GOMAXPROCS=2 etcd.env.GOGC=100 kube-apiserver.v=2 kube-apiserver.feature-gates=A=true,B=false")
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]map[string]string{"": {"GOMAXPROCS": "2"}, "etcd": {"GOGC": "100"}}
	flags := map[string][]string{"kube-apiserver": {"--v=2", "--feature-gates=A=true,B=false"}}
	if variant.Name != "mine" || variant.Policy != "other" || variant.Binary != "/bin/hyperkube" ||
		!reflect.DeepEqual(variant.Environment, environment) || !reflect.DeepEqual(variant.Flags, flags) {
		t.Errorf("%+v", variant)
	}
	if base.Environment != nil || base.Policy != "batch" {
		t.Error("a variant has changed what all begin with")
	}
	for _, wrong := range []string{"", "policy=batch", "x policy=idle", "x kubelet.v=2", "x binary=", "x policy"} {
		if _, err := parseVariant(base, "/bin/hyperkube", wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestEnvironmentIsTheNodes(t *testing.T) {
	set := settings{Memory: 1000, Environment: map[string]map[string]string{"": {"A": "1"}, etcd: {"A": "2"}}}
	for name, expected := range map[string]string{
		etcd:              "GOGC=50 GOMEMLIMIT=60MiB A=1 A=2", // of two, the last counts
		apiServer:         "GOGC=50 GOMEMLIMIT=200MiB HYPERKUBE_FIRST_OBJECTS=1 A=1",
		controllerManager: "GOGC=50 GOMEMLIMIT=80MiB HYPERKUBE_API_READY=URL/readyz A=1",
	} {
		if got := strings.Join(environment(name, "URL", set), " "); got != expected {
			t.Errorf("%s: %s", name, got)
		}
	}
	set.Memory, set.Environment = 4000, nil
	if got := environment(etcd, "URL", set); len(got) != 0 {
		t.Errorf("a large machine: %v", got)
	}
}

func TestQuantiles(t *testing.T) {
	var values []float64
	for i := 200; i > 0; i-- {
		values = append(values, float64(i))
	}
	if got := quantilesOf(values); got != (quantiles{101, 199, 200}) {
		t.Errorf("%+v", got)
	}
	if got := quantilesOf([]float64{3}); got != (quantiles{3, 3, 3}) {
		t.Errorf("%+v", got)
	}
}

func TestMedians(t *testing.T) {
	rows := `{"variant": "a", "run": 1, "settings": {"Pods": 7}, "at": {"ready": {"clock_s": 3}}, "load": {"429": 0}}
some words
{"variant": "b", "run": 1, "at": {"ready": {"clock_s": 300}}}
{"variant": "a", "run": 2, "at": {"ready": {"clock_s": 1}}, "load": {"429": 12.345}}
{"variant": "a", "run": 3, "at": {"ready": {"clock_s": 2}}}
`
	var out strings.Builder
	if err := printMedians(strings.NewReader(rows), &out); err != nil {
		t.Fatal(err)
	}
	expected := `| | a | b |
|---| --- | --- |
| at ready clock_s | 2.00 (1.00 to 3.00) | 300 (300 to 300) |
| load 429 | 6.17 (0.00 to 12.3) |  |
`
	if out.String() != expected {
		t.Errorf("%s", out.String())
	}
}

func TestAProcessIsMeasuredAndEndsWithUs(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	command := exec.Command("/bin/sh", "-c", "i=0; while [ $i -lt 50000 ]; do i=$((i + 1)); done; sleep 60")
	if err := startProcess(command); err != nil {
		t.Fatal(err)
	}
	defer command.Wait()         //nolint:errcheck // it is killed
	defer command.Process.Kill() //nolint:errcheck // it has ended
	pid := command.Process.Pid
	var seconds float64
	for end := time.Now().Add(10 * time.Second); seconds < 0.005 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
		var err error
		if seconds, err = processorTime(pid); err != nil {
			t.Fatal(err)
		}
	}
	if seconds < 0.005 || seconds > 10 {
		t.Errorf("%f s of processor time", seconds)
	}
	if anonymous, err := megabytes("/proc/self/status", "RssAnon"); err != nil || anonymous < 0.5 || anonymous > 1000 {
		t.Errorf("%f MB, %v", anonymous, err)
	}
	if _, err := megabytes("/proc/self/status", "Nothing"); err == nil {
		t.Error("there is Nothing in /proc")
	}
}

func TestCertificates(t *testing.T) {
	folder := t.TempDir()
	if _, err := newPKI(folder, "https://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"apiserver", "etcd-server", "admin", "client", "node"} {
		if _, err := newClient("https://127.0.0.1:1", folder, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"sa.pub", "sa.key", "scheduler.conf", "controller-manager.conf"} {
		if _, err := os.Stat(folder + "/" + name); err != nil {
			t.Error(err)
		}
	}
}
