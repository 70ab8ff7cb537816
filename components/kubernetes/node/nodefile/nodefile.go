// Package nodefile reads node.toml, the file on the boot partition that configures a node.
//
// schema.toml defines the keys, their checks and the text of every message. `k8simg node-config check` on the host
// reads it too (src/config/node_file.cpp). Both parse node.toml statement by statement with the same rules, so that
// they find all mistakes at once, and report the same lines.
package nodefile

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

//go:embed schema.toml
var schemaText []byte

// check is a [[key.check]] of the schema.
type check struct {
	Is      string
	Values  []string
	Least   int
	Most    int
	Message string
}

// key is a [[key]] of the schema.
type key struct {
	Name     string
	Roles    []string
	Required []string
	Secret   bool
	Default  string
	Check    []check
}

// schema is the content of schema.toml, which describes the fields.
type schema struct {
	Bytes            int
	ValueLines       int    `toml:"value-lines"`
	TokenRemoved     string `toml:"token-removed"`
	TokenRemovedLine string `toml:"token-removed-line"`
	Messages         map[string]string
	Types            map[string]string
	Key              []key
}

// loadSchema parses the embedded schema.toml.
func loadSchema() (*schema, error) {
	read := &schema{}
	decoder := toml.NewDecoder(bytes.NewReader(schemaText))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(read); err != nil {
		return nil, fmt.Errorf("schema.toml: %w", err)
	}
	return read, nil
}

// find returns the key with a name, or nil.
func (s *schema) find(name string) *key {
	for i := range s.Key {
		if s.Key[i].Name == name {
			return &s.Key[i]
		}
	}
	return nil
}

// Mistake is one mistake in the file.
type Mistake struct {
	Line int
	Key  string // empty if the mistake concerns a line or the whole file
	Text string
}

func (m Mistake) String() string {
	if m.Key == "" {
		return fmt.Sprintf("node.toml:%d: %s", m.Line, m.Text)
	}
	return fmt.Sprintf("node.toml:%d: %s: %s", m.Line, m.Key, m.Text)
}

// Entry is the statement that sets a key.
type Entry struct {
	Line  int // number of its first line
	Lines int // number of its lines
	text  string
	good  bool // the value passed its checks
}

// File is the content of a node.toml.
type File struct {
	Role, Hostname, Server, Token, CACertHash string
	PodNetwork, ServiceNetwork                string // the defaults, if the file does not set them
	Address, NTP, SSHKey                      string
	TokenRemoved                              bool // the node has replaced the token by a comment

	schema  *schema
	entries map[string]Entry
}

// Line returns the line on which a key is set, or 0.
func (f *File) Line(name string) int { return f.entries[name].Line }

// Options change which keys are required.
type Options struct {
	Joined bool // the machine is a worker that has joined and needs no token
}

// Load reads the file at path. It returns either the file or its mistakes. The error is for a fault of the program.
func Load(path string, options Options) (*File, []Mistake, error) {
	read, err := loadSchema()
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, []Mistake{{Line: 1, Text: read.Messages["unreadable"]}}, nil //nolint:nilerr // reported as a mistake
	}
	return parse(read, text, options)
}

// Parse reads text as Load reads a file.
func Parse(text []byte, options Options) (*File, []Mistake, error) {
	read, err := loadSchema()
	if err != nil {
		return nil, nil, err
	}
	return parse(read, text, options)
}

// reader collects the values and the mistakes of a file.
type reader struct {
	schema   *schema
	file     *File
	mistakes []Mistake
}

// add appends a mistake with a message of the schema.
func (r *reader) add(line int, key, message string, replacements ...string) {
	text := strings.NewReplacer(replacements...).Replace(r.schema.Messages[message])
	r.mistakes = append(r.mistakes, Mistake{line, key, text})
}

func parse(s *schema, text []byte, options Options) (*File, []Mistake, error) {
	r := &reader{schema: s, file: &File{schema: s, entries: map[string]Entry{}}}
	switch {
	case len(text) > s.Bytes:
		r.add(1, "", "too-large", "{bytes}", strconv.Itoa(len(text)), "{most}", strconv.Itoa(s.Bytes))
	case bytes.IndexByte(text, 0) >= 0:
		r.add(1, "", "not-text")
	default:
		r.readStatements(text)
		r.checkRole(options)
		r.checkNetworks()
	}
	if len(r.mistakes) > 0 {
		return nil, r.mistakes, nil
	}
	return r.file, nil, nil
}

// blank contains TOML's whitespace characters.
const blank = " \t"

var byteOrderMark = []byte("\xef\xbb\xbf")

// splitLines returns the lines of a file without the byte order mark and the carriage returns at line ends.
func splitLines(text []byte) []string {
	lines := strings.Split(string(bytes.TrimPrefix(text, byteOrderMark)), "\n")
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "\r")
	}
	return lines
}

// hasControl reports whether a line has a control character other than a tab.
func hasControl(line string) bool {
	return strings.ContainsFunc(line, func(c rune) bool { return c < 0x20 && c != '\t' || c == 0x7f })
}

// readStatements reads the file key by key. After a syntax error, it continues with the next line.
func (r *reader) readStatements(text []byte) {
	lines := splitLines(text)
	bad := make([]bool, len(lines))
	for i, line := range lines {
		if hasControl(line) {
			r.add(i+1, "", "control")
			bad[i] = true
		} else if !utf8.ValidString(line) {
			r.add(i+1, "", "not-utf8")
			bad[i] = true
		}
	}
	inTable := false
	for i := 0; i < len(lines); {
		statement := strings.Trim(lines[i], blank)
		switch {
		case bad[i] || statement == "":
			i++
		case strings.HasPrefix(statement, "#"):
			if strings.HasPrefix(lines[i], r.schema.TokenRemoved) {
				r.file.TokenRemoved = true
			}
			i++
		default:
			header := statement[0] == '['
			name, value, count, err := r.parseStatement(lines[i:], bad[i:], header)
			if err != nil {
				r.add(i+1, "", "syntax", "{parser}", err.Error())
				count = 1
			} else if header || !inTable {
				r.readKey(Entry{Line: i + 1, Lines: count}, name, value)
			}
			inTable = inTable || header
			i += count
		}
	}
}

// parseStatement parses the statement that begins at the first line. It returns the key, the value, and the number of
// lines.
func (r *reader) parseStatement(lines []string, bad []bool, header bool) (name string, value any, count int,
	err error) {
	for count = 1; count <= min(r.schema.ValueLines, len(lines)) && !bad[count-1]; count++ {
		document := map[string]any{}
		wrong := unmarshal(strings.Join(lines[:count], "\n"), &document)
		if wrong == nil && len(document) == 1 {
			for name, value = range document {
				return name, value, count, nil
			}
		}
		if err == nil {
			err = wrong
		}
		if header {
			break
		}
	}
	if err == nil {
		err = errors.New("a line holds one key")
	}
	return "", nil, 1, err
}

// unmarshal parses TOML. Its errors have neither the parser's name nor line breaks.
func unmarshal(text string, document *map[string]any) error {
	if err := toml.Unmarshal([]byte(text), document); err != nil {
		return errors.New(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "toml: "), "\n", " "))
	}
	if hasLaterEscape(text) {
		return errors.New(`the escape \e is not of TOML 1.0`)
	}
	return nil
}

// hasLaterEscape reports whether a valid statement has \e in a basic string. The parser accepts it, TOML 1.0 does not.
func hasLaterEscape(text string) bool {
	end := "" // the delimiter that ends the string; empty outside a string
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch {
		case end == "" && rest[0] == '#':
			if i += strings.IndexByte(rest+"\n", '\n'); i >= len(text) {
				return false
			}
		case end == "":
			for _, quote := range []string{`"""`, "'''", `"`, "'"} {
				if strings.HasPrefix(rest, quote) {
					end = quote
					i += len(quote) - 1
					break
				}
			}
		case end[0] == '"' && rest[0] == '\\':
			if strings.HasPrefix(rest, `\e`) {
				return true
			}
			i++
		case strings.HasPrefix(rest, end):
			i += len(end) - 1
			end = ""
		}
	}
	return false
}

// typeName returns the schema's name for the type of a value that is not a string.
func (r *reader) typeName(value any) string {
	name := "date"
	switch value.(type) {
	case int64:
		name = "integer"
	case bool:
		name = "boolean"
	case float64:
		name = "float"
	case []any:
		name = "list"
	case map[string]any:
		name = "table"
	case time.Time, toml.LocalDate, toml.LocalTime, toml.LocalDateTime:
	}
	return r.schema.Types[name]
}

// readKey checks a key and stores its value.
func (r *reader) readKey(entry Entry, name string, value any) {
	shown := name
	if !isBareKey(name) {
		shown = quote(name)
	}
	if first, found := r.file.entries[name]; found {
		r.add(entry.Line, shown, "twice", "{line}", strconv.Itoa(first.Line))
		return
	}
	key := r.schema.find(name)
	text, isText := value.(string)
	switch {
	case key == nil:
		names := make([]string, len(r.schema.Key))
		for i := range names {
			names[i] = r.schema.Key[i].Name
		}
		r.add(entry.Line, shown, "unknown", "{keys}", strings.Join(names, ", "))
	case !isText:
		r.add(entry.Line, shown, "type", "{type}", r.typeName(value))
	default:
		entry.good = true
		for _, check := range key.Check {
			if !check.passes(text) {
				said := strings.ReplaceAll(check.Message, "{value}", quote(text))
				r.mistakes = append(r.mistakes, Mistake{entry.Line, shown, said})
				entry.good = false
				break
			}
		}
		entry.text = text
		if target := r.file.target(name); entry.good && target != nil {
			*target = text
		}
	}
	r.file.entries[name] = entry
}

// target returns the field for a key, or nil.
func (f *File) target(name string) *string {
	return map[string]*string{
		"role": &f.Role, "hostname": &f.Hostname, "server": &f.Server, "token": &f.Token, "ca-cert-hash": &f.CACertHash,
		"pod-network": &f.PodNetwork, "service-network": &f.ServiceNetwork, "address": &f.Address, "ntp": &f.NTP,
		"ssh-key": &f.SSHKey,
	}[name]
}

// checkRole reports keys that the role does not use, and required keys that are missing. Missing keys are reported only
// if there is no other mistake, because a key may be in a line that could not be parsed.
func (r *reader) checkRole(options Options) {
	role, found := r.file.entries["role"]
	if !found {
		if len(r.mistakes) == 0 {
			r.add(1, "role", "role-missing")
		}
		return
	}
	if !role.good {
		return
	}
	for _, key := range r.schema.Key {
		if entry, set := r.file.entries[key.Name]; set && len(key.Roles) > 0 && !slices.Contains(key.Roles, r.file.Role) {
			r.add(entry.Line, key.Name, "no-meaning", "{role}", r.file.Role, "{roles}", strings.Join(key.Roles, ", "))
		}
	}
	if len(r.mistakes) > 0 {
		return
	}
	for _, key := range r.schema.Key {
		if key.Name == "token" && (options.Joined || r.file.TokenRemoved) {
			continue
		}
		if _, set := r.file.entries[key.Name]; !set && slices.Contains(key.Required, r.file.Role) {
			r.add(role.Line, key.Name, "missing", "{role}", r.file.Role)
		}
	}
}

// checkNetworks sets the defaults of the networks, and reports networks that overlap each other or the address.
func (r *reader) checkNetworks() {
	pods, services := r.file.entries["pod-network"], r.file.entries["service-network"]
	for _, name := range []string{"pod-network", "service-network"} {
		if target := r.file.target(name); *target == "" {
			*target = r.schema.find(name).Default
		}
	}
	pod, _ := parseNetwork(r.file.PodNetwork)
	service, _ := parseNetwork(r.file.ServiceNetwork)
	if r.file.Role != "standalone" && pod.overlaps(service) {
		if services.good {
			r.add(services.Line, "service-network", "overlaps-pods", "{network}", r.file.PodNetwork)
		} else if pods.good {
			r.add(pods.Line, "pod-network", "overlaps-services", "{network}", r.file.ServiceNetwork)
		}
	}
	if r.file.Role == "control-plane" && pod.bits > 23 {
		r.add(pods.Line, "pod-network", "one-machine", "{value}", quote(r.file.PodNetwork))
	}
	if r.file.Address == "" || r.file.Role == "worker" {
		return
	}
	own, _ := parseNetwork(r.file.Address + "/32")
	line := r.file.Line("address")
	if pod.overlaps(own) {
		r.add(line, "address", "in-pods", "{network}", r.file.PodNetwork)
	}
	if r.file.Role != "standalone" && service.overlaps(own) {
		r.add(line, "address", "in-services", "{network}", r.file.ServiceNetwork)
	}
}

// RemoveToken returns text with a comment in place of the token. All other bytes are unchanged. The result is nil if
// there is no token.
func (f *File) RemoveToken(text []byte) []byte {
	entry, found := f.entries["token"]
	if !found {
		return nil
	}
	lines := strings.SplitAfter(string(text), "\n")
	first, last := entry.Line-1, entry.Line+entry.Lines-2
	var out strings.Builder
	for i, line := range lines {
		switch {
		case i < first || i > last:
			out.WriteString(line)
		case i == first:
			if i == 0 && strings.HasPrefix(line, string(byteOrderMark)) {
				out.Write(byteOrderMark)
			}
			out.WriteString(f.schema.TokenRemovedLine)
		}
		if i == last {
			out.WriteString(line[len(strings.TrimRight(line, "\r\n")):])
		}
	}
	return []byte(out.String())
}
