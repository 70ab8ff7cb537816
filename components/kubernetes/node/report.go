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

// stop is an error that was reported already.
type stop struct{ text string }

func (s stop) Error() string { return s.text }

// say writes a line to the journal and to all consoles.
func (n *Node) say(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	fmt.Fprintln(n.Journal, text) //nolint:errcheck // the error could not be reported either
	n.console(text)
}

// note writes a line to the journal only.
func (n *Node) note(format string, arguments ...any) {
	fmt.Fprintf(n.Journal, format+"\n", arguments...) //nolint:errcheck // the error could not be reported either
}

// console writes a line to all consoles only.
func (n *Node) console(text string) {
	for _, tty := range strings.Fields(n.readLine("/sys/class/tty/console/active")) {
		writeConsole(n.path("/dev/"+tty), "\r\nk8simg: "+text+"\r\n")
	}
}

// writeConsole writes text to a console. It returns after two seconds, because a write to an unconnected serial line
// may block.
func writeConsole(path, text string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return
		}
		defer file.Close()                                     //nolint:errcheck // console output is best effort
		file.SetWriteDeadline(time.Now().Add(2 * time.Second)) //nolint:errcheck // regular files have no deadline
		file.WriteString(text)                                 //nolint:errcheck // console output is best effort
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
}

// show displays text above the login prompt, in place of the last text.
func (n *Node) show(text string) {
	path := n.path("/run/issue.d/k8simg.issue")
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path+".new", []byte("k8simg: "+text+"\n\n"), 0o644)
	}
	if err == nil {
		os.Rename(path+".new", path) //nolint:errcheck // the old text stays
	}
	n.Reload()
}

// tell says and shows a text, unless it is the same as the last one.
func (n *Node) tell(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	if n.told == text {
		return
	}
	n.told = text
	n.say("%s", text)
	n.show(text)
}

// giveUp reports why the start fails, and returns the error that ends it.
func (n *Node) giveUp(format string, arguments ...any) error {
	n.tell(format, arguments...)
	n.keepError(n.told)
	return stop{n.told}
}

// keepError stores the error that `k8simg-node status` shows until the next start.
func (n *Node) keepError(text string) {
	path := n.path(lastErrorFile)
	if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
		line := n.Clock.Now().UTC().Format(minuteFormat) + " " + text + "\n"
		os.WriteFile(path, []byte(line), 0o600) //nolint:errcheck // the error was reported by other means too
	}
}

// write replaces a file atomically and durably, and reports whether its content changed.
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

// replace replaces a file atomically and durably. path includes Root.
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

// room describes an error, together with the free space of a folder's filesystem.
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

// needSpace returns an error if a folder's filesystem has less free space than what needs.
func (n *Node) needSpace(folder string, mebibytes uint64, what string) error {
	space, err := n.Files.Free(n.path(folder))
	if err != nil || space.Free>>20 >= mebibytes {
		return nil //nolint:nilerr // unknown free space does not stop the start
	}
	return n.giveUp("the disk is full: %s, and %s needs %d MB. Delete files, or write the image to a larger card or disk",
		n.room(n.path(folder), nil), what, mebibytes)
}

// oneLine formats an error for the console.
func oneLine(err error) string {
	words := strings.Join(strings.Fields(err.Error()), " ")
	if len(words) > 400 {
		words = strings.ToValidUTF8(words[:400], "") + "..."
	}
	return words
}
