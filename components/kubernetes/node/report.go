package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stop ends a start. Its text has been told.
type stop struct{ text string }

func (s stop) Error() string { return s.text }

// say writes a line to the journal and to every console, the screen as well as the serial line.
func (n *Node) say(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	fmt.Fprintln(n.Journal, text) //nolint:errcheck // there is nobody else to tell
	n.console(text)
}

// note writes a line to the journal alone.
func (n *Node) note(format string, arguments ...any) {
	fmt.Fprintf(n.Journal, strings.TrimSuffix(format, "\n")+"\n", arguments...) //nolint:errcheck // who else is there
}

// console writes a line to the consoles alone.
func (n *Node) console(text string) {
	for _, tty := range strings.Fields(n.readLine("/sys/class/tty/console/active")) {
		writeConsole(n.path("/dev/"+tty), "\r\nk8simg: "+text+"\r\n")
	}
}

// writeConsole gives up after two seconds: a serial line that nobody reads may block.
func writeConsole(path, text string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return
		}
		defer file.Close()                                     //nolint:errcheck // nothing can be done about it
		file.SetWriteDeadline(time.Now().Add(2 * time.Second)) //nolint:errcheck // regular files have none
		file.WriteString(text)                                 //nolint:errcheck // nothing can be done about it
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
}

// show puts what is the matter with the node above the login prompt, until something else is.
func (n *Node) show(text string) {
	path := n.path("/run/issue.d/k8simg.issue")
	if os.MkdirAll(filepath.Dir(path), 0o755) == nil && os.WriteFile(path+".new", []byte("k8simg: "+text+"\n\n"),
		0o644) == nil {
		os.Rename(path+".new", path) //nolint:errcheck // it is only shown
	}
	n.Reload()
}

// tell says something once, and shows it.
func (n *Node) tell(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	if n.told == text {
		return
	}
	n.told = text
	n.say("%s", text)
	n.show(text)
}

// giveUp tells why there is no node, and is the error that ends the start.
func (n *Node) giveUp(format string, arguments ...any) error {
	n.tell(format, arguments...)
	n.keepError(n.told)
	return stop{n.told}
}

// keepError is what `k8simg-node status` shows until the next start.
func (n *Node) keepError(text string) {
	path := n.path(lastErrorFile)
	if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
		line := n.Clock.Now().UTC().Format(minuteFormat) + " " + text + "\n"
		os.WriteFile(path, []byte(line), 0o600) //nolint:errcheck // it is only shown
	}
}

// write replaces a file in one step and on the disk, and reports whether that changed something.
func (n *Node) write(name, text string, mode os.FileMode) (bool, error) {
	path := n.path(name)
	if found, err := os.ReadFile(path); err == nil && string(found) == text {
		return false, nil
	}
	if err := n.replace(path, []byte(text), mode); err != nil {
		return false, n.giveUp("%s cannot be written: %s", name, n.room(filepath.Dir(path), err))
	}
	return true, nil
}

func (n *Node) replace(path string, text []byte, mode os.FileMode) error {
	folder := filepath.Dir(path)
	if err := n.Files.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := n.Files.Write(path+".new", text, mode); err != nil {
		return err
	}
	if err := n.Files.SyncFile(path + ".new"); err != nil {
		return err
	}
	if err := n.Files.Rename(path+".new", path); err != nil {
		return err
	}
	return n.Files.SyncFile(folder)
}

// room describes the filesystem of a folder after an error.
func (n *Node) room(folder string, err error) string {
	for folder != "/" && folder != "." {
		if _, missing := os.Stat(folder); missing == nil {
			break
		}
		folder = filepath.Dir(folder)
	}
	space, wrong := n.Files.Free(folder)
	name := "/" + strings.TrimPrefix(strings.TrimPrefix(folder, n.Root), "/")
	if wrong != nil {
		return err.Error()
	}
	text := fmt.Sprintf("%s has %d MB free of %d MB", name, space.Free>>20, space.Total>>20)
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		text += fmt.Sprintf(" (%v)", err)
	}
	return text
}

// needSpace makes sure that a folder's filesystem has room for what.
func (n *Node) needSpace(folder string, mebibytes uint64, what string) error {
	space, err := n.Files.Free(n.path(folder))
	if err != nil || space.Free>>20 >= mebibytes {
		return nil //nolint:nilerr // what cannot be known is no reason to stop
	}
	return n.giveUp("the disk is full: %s, and %s takes %d MB. Delete what is not needed, or write the image to a "+
		"larger card.",
		n.room(n.path(folder), nil), what, mebibytes)
}
