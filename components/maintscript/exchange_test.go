package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestExchange evaluates a script from files to files: contents, hard links, names that are not UTF-8, and removals.
func TestExchange(t *testing.T) {
	folder := t.TempDir()
	blobs, out := filepath.Join(folder, "blobs"), filepath.Join(folder, "out")
	for _, each := range []string{blobs, filepath.Join(blobs, "ed"), out} {
		if err := os.Mkdir(each, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(blobs, "ed",
		"7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	request := `{"date": 1700000000, "architecture": "armel", "multiarch": "arm-linux-gnueabi", "hostname": "node",
"answers": {}, "numbers": {}, "limits": {"seconds": 86400}, "packages": [
{"name": "p", "version": "1", "architecture": "all", "fields": {},
"scripts": {
"postinst": "echo x >/etc/new; rm /etc/gone; chmod 600 /etc/linked; mv /etc/latin* /etc/moved; hostname >>/etc/link2"},
"evaluate": ["postinst"], "conffiles": [], "triggers": "", "templates": "", "files": []}],
"nodes": [{"path": "etc", "type": "directory", "mode": 493, "mtime": 1},
{"path": "etc/gone", "type": "file", "mode": 420, "size": 7,
"source": "ed/7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"},
{"path": "etc/same", "type": "file", "mode": 420, "size": 7,
"source": "ed/7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73", "xattrs": {"user.x": "0001"}},
{"path": "etc/linked", "type": "file", "mode": 420, "size": 7,
"source": "ed/7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73", "mtime": 5},
{"path": "etc/link2", "link": "etc/linked"},
{"path": "etc/latin-é", "type": "file", "mode": 420, "size": 7,
"source": "ed/7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"}]}`
	file := filepath.Join(folder, "request")
	if err := os.WriteFile(file, []byte(request), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(file, blobs, out); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(out, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got result
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Report.Failures != 0 {
		t.Fatalf("%s", data)
	}
	nodes := map[string]node{}
	for _, each := range got.Nodes {
		nodes[each.Path] = each
	}
	if len(nodes) != 4 {
		t.Errorf("changed: %v", got.Nodes)
	}
	text := func(path string) string {
		data, _ := os.ReadFile(filepath.Join(out, nodes[path].Content))
		return string(data)
	}
	if text("etc/new") != "x\n" || nodes["etc/new"].By != "script:postinst of p" ||
		nodes["etc/new"].MTime != 1700000000 {
		t.Errorf("new: %v %q", nodes["etc/new"], text("etc/new"))
	}
	if text("etc/link2") != "contentnode\n" || nodes["etc/linked"].Link != "etc/link2" ||
		nodes["etc/linked"].Mode != 0o600 {
		t.Errorf("linked: %v %v", nodes["etc/link2"], nodes["etc/linked"])
	}
	if text("etc/moved") != "content" {
		t.Errorf("moved: %v", nodes["etc/moved"])
	}
	if len(got.Removed) != 2 || got.Removed[1].Path != "etc/latin-é" || got.Removed[0].By != "script:postinst of p" {
		t.Errorf("removed: %v", got.Removed)
	}
}
