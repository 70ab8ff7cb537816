package nodefile

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the current messages into the .expected files of the corpus")

// corpus is the folder with files that the tests of the host's check use too. It is not part of the component.
const corpus = "../../../../tests/data/node"

func corpusFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(corpus + "/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("../../../../CMakeLists.txt"); err != nil {
		t.Skip("the corpus is not part of the component")
	}
	if len(files) < 80 {
		t.Fatalf("%s has %d files", corpus, len(files))
	}
	return files
}

func say(t *testing.T, text []byte) []string {
	t.Helper()
	_, mistakes, err := Parse(text, Options{})
	if err != nil {
		t.Fatal(err)
	}
	said := make([]string, len(mistakes))
	for i, mistake := range mistakes {
		said[i] = mistake.String()
	}
	return said
}

// withoutParser replaces the text of syntax errors, which depends on the parser.
func withoutParser(said []string) string {
	out := make([]string, 0, len(said))
	for _, line := range said {
		if before, _, found := strings.Cut(line, "is no TOML: "); found {
			line = before + "is no TOML: *"
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestCorpus(t *testing.T) {
	for _, file := range corpusFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			said := withoutParser(say(t, text))
			expected := strings.TrimSuffix(file, ".toml") + ".expected"
			if strings.HasPrefix(filepath.Base(file), "good-") {
				if said != "" {
					t.Fatal(said)
				}
				return
			}
			if *update {
				if err := os.WriteFile(expected, []byte(said+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			wanted, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if said == "" || said+"\n" != string(wanted) {
				t.Errorf("said\n%s\nwanted\n%s", said, wanted)
			}
		})
	}
}

// TestHost compares the messages with those of the host's check, for the corpus and for randomly changed files.
// K8SIMG_CHECK is the host's command.
func TestHost(t *testing.T) {
	command := strings.Fields(os.Getenv("K8SIMG_CHECK"))
	if len(command) == 0 {
		t.Skip("K8SIMG_CHECK names no command")
	}
	var texts [][]byte
	for _, file := range corpusFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	random := rand.New(rand.NewPCG(20261128, 1)) //nolint:gosec // the same files each time
	whole := len(texts)
	for range 400 {
		text := texts[random.IntN(whole)]
		if len(text) < 10000 {
			texts = append(texts, mutate(text, texts[random.IntN(whole)], random))
		}
	}
	folder := t.TempDir()
	for _, text := range texts {
		file := filepath.Join(folder, "node.toml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		run := exec.Command(command[0], append(command[1:], "node.toml")...) //nolint:gosec // the caller's
		run.Dir = folder
		var words bytes.Buffer
		run.Stderr = &words
		if err := run.Run(); err == nil {
			words.Reset()
		}
		var host []string
		for line := range strings.SplitSeq(words.String(), "\n") {
			if at := strings.Index(line, "node.toml:"); at >= 0 {
				host = append(host, line[at:])
			}
		}
		device := say(t, text)
		if withoutParser(host) != withoutParser(device) {
			t.Errorf("the host and the device disagree on %q:\nhost %s\ndevice %s", text, words.String(),
				strings.Join(device, "\n"))
		}
	}
}

func mutate(text, other []byte, random *rand.Rand) []byte {
	pieces := []string{
		"\r", "\n", "\t", " ", "\f", "#", `"`, "'", `"""`, "'''", "=", `\`, `\u00e9`, `\e`, `\x41`, ".", "/", "0", "9",
		"\xc3\xa9",
		"\xf4\x90\x80\x80", "\xed\xa0\x80", "\xc0\x80", "\xef\xbb\xbf", "\x7f", "-", "_", "a", "Z", "[",
		"]", "[[", "{", "}",
		":", "255", "/24", "true", "1_000", "0x1F", "+1.5e3", "inf", "1979-05-27T07:32:00Z", "1979-02-30", "07:32:00",
		"# token: removed after use", "token", "role", ",",
	}
	text = bytes.Clone(text)
	for range 1 + random.IntN(3) {
		at := random.IntN(len(text) + 1)
		end := min(len(text), at+1+random.IntN(3))
		piece := []byte(pieces[random.IntN(len(pieces))])
		switch random.IntN(5) {
		case 0:
			end = at
		case 1:
			piece = nil
		case 2:
			from := random.IntN(len(other) + 1)
			piece = other[from:min(len(other), from+random.IntN(30))]
			end = at
		case 3:
			lines := bytes.Split(other, []byte("\n"))
			at = bytes.LastIndexByte(text[:at], '\n') + 1
			end = at
			piece = append(bytes.Clone(lines[random.IntN(len(lines))]), '\n')
		}
		text = append(bytes.Clone(text[:at]), append(bytes.Clone(piece), text[end:]...)...)
	}
	return text
}

func TestValues(t *testing.T) {
	text := "\xef\xbb\xbfrole = 'control-plane'  # the only one\r\n" +
		"\"hostname\" = \"cp\\u002d1\"\r\npod-network=\"10.32.0.0/16\""
	file, mistakes, err := Parse([]byte(text), Options{})
	if err != nil || len(mistakes) > 0 {
		t.Fatal(err, mistakes)
	}
	if file.Role != "control-plane" || file.Hostname != "cp-1" || file.PodNetwork != "10.32.0.0/16" ||
		file.ServiceNetwork != "10.96.0.0/12" || file.Server != "" || file.Line("hostname") != 2 {
		t.Errorf("%+v", file)
	}
}

func TestEveryKeyHasAPlace(t *testing.T) {
	read, err := loadSchema()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range read.Key {
		if (&File{}).target(key.Name) == nil {
			t.Errorf("%s is read into nothing", key.Name)
		}
		for _, check := range key.Check {
			if key.Secret && strings.Contains(check.Message, "{value}") {
				t.Errorf("%s is a secret, and a message has its value", key.Name)
			}
		}
	}
}

func TestRemoveToken(t *testing.T) {
	const removed = "# token: removed after use. `/usr/libexec/k8simg-node token` on the control plane makes a new one"
	for _, ending := range []string{"\n", "\r\n"} {
		for _, token := range []string{
			"\t token\t= 'k8sim9.4b7qz02xw8n5tj1c' # x\xc3\xa9", "\"token\" = '''" + ending +
				"k8sim9.4b7qz02xw8n5tj1c'''",
		} {
			before := "\xef\xbb\xbf" + token + ending + "# last" + ending + " role = 'single'  # end"
			file, mistakes, err := Parse([]byte(before), Options{})
			if err != nil || len(mistakes) > 0 {
				t.Fatal(err, mistakes)
			}
			wanted := "\xef\xbb\xbf" + removed + ending + "# last" + ending + " role = 'single'  # end"
			after := file.RemoveToken([]byte(before))
			if string(after) != wanted {
				t.Errorf("%q", after)
			}
			if file, mistakes, err = Parse(after, Options{}); err != nil || len(mistakes) > 0 || !file.TokenRemoved {
				t.Error(err, mistakes)
			} else if file.RemoveToken(after) != nil {
				t.Error("a token that is not there was removed")
			}
		}
	}
}

func TestJoinedWorkerNeedsNoToken(t *testing.T) {
	text := "role = \"worker\"\nserver = \"192.168.1.10:6443\"\nca-cert-hash = \"sha256:" +
		strings.Repeat("0123456789abcdef", 4) + "\"\n"
	if _, mistakes, _ := Parse([]byte(text), Options{}); len(mistakes) != 1 || mistakes[0].Key != "token" {
		t.Error(mistakes)
	}
	if _, mistakes, _ := Parse([]byte(text), Options{Joined: true}); len(mistakes) != 0 {
		t.Error(mistakes)
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	for _, token := range []string{"hunter2", "abcdef.0123456789abcdef"} {
		said := say(t, []byte("role = \"single\"\ntoken = \""+token+"\"\n"))
		if len(said) != 1 || strings.Contains(said[0], token) {
			t.Error(said)
		}
	}
}

func TestOverlap(t *testing.T) {
	for _, pair := range [][3]string{
		{"10.0.0.0/8", "10.1.2.3", "yes"}, {"10.0.0.0/8", "11.0.0.0/8", "no"}, {"10.2.0.0/16", "10.0.0.0/8", "yes"},
		{"0.0.0.0/0", "255.255.255.255", "yes"}, {"192.168.1.1", "192.168.1.1/32", "yes"},
	} {
		if Overlap(pair[0], pair[1]) != (pair[2] == "yes") {
			t.Error(pair)
		}
	}
}
