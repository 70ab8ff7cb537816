package node

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type boardFiles struct{ *board }

func (f boardFiles) change(path, format string, arguments ...any) error {
	if strings.HasPrefix(path, f.root+"/run/") {
		return nil
	}
	return f.event(format, arguments...)
}

func (f boardFiles) Write(path string, text []byte, mode os.FileMode) error {
	if err := f.change(path, "write %s", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func (f boardFiles) Rename(from, to string) error {
	if err := f.change(to, "rename %s", to); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (f boardFiles) Remove(path string) error {
	if err := f.change(path, "remove %s", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

func (f boardFiles) MkdirAll(path string, mode os.FileMode) error {
	if err := f.change(path, "mkdir %s", path); err != nil {
		return err
	}
	return os.MkdirAll(path, mode)
}

func (f boardFiles) Symlink(target, path string) error {
	if err := f.change(path, "link %s", path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}

func (f boardFiles) SyncFile(path string) error {
	if err := f.event("sync %s", path); err != nil {
		return err
	}
	f.persist(path)
	return nil
}

func (f boardFiles) Sync() {
	if f.event("sync") == nil {
		f.persist()
	}
}

func (f boardFiles) Free(string) (Space, error) { return Space{f.free << 20, 8000 << 20}, nil }

func (f boardFiles) Lock(path string) (func(), error) {
	f.call("lock %s", filepath.Base(path))
	return func() {}, nil
}

type boardClock struct{ *board }

func (c boardClock) Moved() time.Duration { return c.moved }

func (c boardClock) Now() time.Time { return c.now }

func (c boardClock) Set(t time.Time) error {
	c.moved += t.Sub(c.now)
	c.now = t
	return nil
}

func (c boardClock) Sleep(_ context.Context, d time.Duration) {
	c.slept += d
	if c.onSleep != nil {
		c.onSleep(c.slept)
	}
	if c.slept >= c.patience {
		panic(killed{})
	}
}

type boardUnits struct{ *board }

func (u boardUnits) Start(_ context.Context, unit string) error {
	u.call("systemctl start %s", unit)
	if err := u.event("start %s", unit); err != nil {
		return err
	}
	if unit == kubeletUnit && u.get(kubeletConfig) != "" {
		u.kubelet = "active"
	}
	return nil
}

func (u boardUnits) Restart(_ context.Context, unit string) error {
	u.call("systemctl restart %s", unit)
	if unit == kubeletUnit && u.get(kubeletConfig) != "" {
		u.kubelet = "active"
	}
	return nil
}

func (u boardUnits) TryRestart(_ context.Context, unit string) error {
	u.call("systemctl try-restart %s", unit)
	return u.event("try-restart %s", unit)
}

func (u boardUnits) Stop(_ context.Context, unit string) error {
	u.call("systemctl stop %s", unit)
	if err := u.event("stop %s", unit); err != nil {
		return err
	}
	u.kubelet = "inactive"
	return nil
}

func (u boardUnits) ActiveState(_ context.Context, unit string) (string, error) {
	if unit == kubeletUnit {
		return u.kubelet, nil
	}
	return "active", nil
}

type boardRuntime struct{ *board }

func (r boardRuntime) Running(context.Context) ([]Pod, error) { return r.pods, nil }

func (r boardRuntime) StopContainer(_ context.Context, id string, grace time.Duration) error {
	r.call("stop container %s in %s", id, grace)
	return r.event("stop container %s", id)
}

func (r boardRuntime) StopPod(_ context.Context, id string) error {
	r.call("stop pod %s", id)
	return nil
}

type boardNetwork struct{ *board }

func (w boardNetwork) Addresses() ([]Address, error) { return w.addresses, nil }

func (w boardNetwork) DefaultDevice() string { return w.route }

func (w boardNetwork) HasLink(name string) bool { return slices.Contains(w.links, name) }

func (w boardNetwork) AddLink(name string) error {
	w.call("link add %s", name)
	w.links = append(w.links, name)
	return nil
}

func (w boardNetwork) AddAddress(name string, ip netip.Addr) error {
	w.call("address add %s dev %s", ip, name)
	w.addresses = append(w.addresses, Address{name, ip, true})
	return nil
}

func (w boardNetwork) AddDefaultRoute(name string) error {
	w.call("route add default dev %s", name)
	if w.route == "" {
		w.route = name
	}
	return nil
}

type boardCluster struct{ *board }

func (c boardCluster) Reachable(context.Context, string) bool { return c.reachable }

func (c boardCluster) Time(context.Context, string) time.Time {
	c.call("time")
	return c.answer
}

func (c boardCluster) Check(context.Context, Membership) error {
	c.call("check membership")
	return c.refusal
}

func (c boardCluster) Apply(ctx context.Context, kubeconfig, ready string, manifest []byte) error {
	c.call("apply with %s", filepath.Base(kubeconfig))
	c.lock.Lock()
	c.applied, c.awaited = manifest, ready
	c.lock.Unlock()
	if c.noAPI {
		<-ctx.Done()
		return ctx.Err()
	}
	if c.cutAt == "apply" {
		c.cutAt = ""
		panic(killed{})
	}
	return nil
}

func (c boardCluster) AwaitReady(_ context.Context, _, node string) error {
	c.call("await %s", node)
	return c.notReady
}

func (c boardCluster) Objects(kubeconfig string) (Objects, error) {
	c.call("objects with %s", filepath.Base(kubeconfig))
	return boardObjects{c.board}, nil
}

func (c boardCluster) CreateToken(_ context.Context, kubeconfig, token string, expires time.Time) error {
	c.call("token %s until %d with %s", token, expires.Unix(), filepath.Base(kubeconfig))
	return nil
}
