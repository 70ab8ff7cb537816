package nodefile

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// passes reports whether text passes the check. Nothing passes an unknown check, which the tests of the corpus detect.
func (c check) passes(text string) bool {
	switch c.Is {
	case "one-of":
		return slices.Contains(c.Values, text)
	case "none-of":
		return !slices.Contains(c.Values, text)
	case "without":
		return !strings.Contains(text, c.Values[0])
	case "label":
		return isLabel(text) && strings.ToLower(text) == text
	case "server":
		return isServer(text)
	case "token":
		first, second, found := strings.Cut(text, ".")
		return found && len(first) == 6 && len(second) == 16 && all(first, isLowerOrDigit) &&
			all(second, isLowerOrDigit)
	case "secret":
		_, second, _ := strings.Cut(text, ".")
		return c.isSecret(second)
	case "hash":
		digits, found := strings.CutPrefix(text, "sha256:")
		return found && len(digits) == 64 && all(digits, func(b byte) bool { return isDigit(b) || b >= 'a' && b <= 'f' })
	case "hash-secret":
		return c.isSecret(strings.TrimPrefix(text, "sha256:"))
	case "network":
		n, ok := parseNetwork(text)
		return ok && n.bits >= c.Least && n.bits <= c.Most && n.address&^n.mask() == 0
	case "outside":
		return c.isOutside(text)
	case "address":
		_, ok := parseIPv4(text)
		return ok
	case "host":
		return isHost(text) || isIPv6(text)
	case "ssh-key":
		return c.isSSHKey(text)
	}
	return false
}

func isDigit(b byte) bool        { return b >= '0' && b <= '9' }
func isLowerOrDigit(b byte) bool { return isDigit(b) || b >= 'a' && b <= 'z' }
func isAlphanumeric(b byte) bool { return isLowerOrDigit(b) || b >= 'A' && b <= 'Z' }

// all reports whether all bytes of text pass a test.
func all(text string, fits func(byte) bool) bool {
	for i := range len(text) {
		if !fits(text[i]) {
			return false
		}
	}
	return true
}

// isBareKey reports whether text is a bare key of TOML.
func isBareKey(text string) bool {
	return text != "" && all(text, func(b byte) bool { return isAlphanumeric(b) || b == '-' || b == '_' })
}

// quote returns text as a basic string of TOML.
func quote(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"' || b == '\\':
			out.WriteByte('\\')
			out.WriteByte(b)
		case b < 0x20 || b == 0x7f:
			fmt.Fprintf(&out, "\\u%04x", b)
		default:
			out.WriteByte(b)
		}
	}
	out.WriteByte('"')
	return out.String()
}

// isSecret reports whether text is not an example from a documentation and has enough different characters.
func (c check) isSecret(text string) bool {
	different := map[byte]bool{}
	for i := range len(text) {
		different[text[i]] = true
	}
	return !slices.Contains(c.Values, text) && len(different) >= c.Least
}

// isOutside reports whether text is an address or a network that overlaps none of the check's networks.
func (c check) isOutside(text string) bool {
	if !strings.Contains(text, "/") {
		text += "/32"
	}
	network, ok := parseNetwork(text)
	for _, value := range c.Values {
		if other, _ := parseNetwork(value); ok && network.overlaps(other) {
			return false
		}
	}
	return ok
}

// isSSHKey reports whether text is a line of a public key file.
func (c check) isSSHKey(text string) bool {
	kind, rest, _ := strings.Cut(text, " ")
	if tab := strings.IndexByte(text, '\t'); tab >= 0 && tab < len(kind) {
		kind, rest = text[:tab], text[tab+1:]
	}
	rest = strings.TrimLeft(rest, blank)
	if end := strings.IndexAny(rest, blank); end >= 0 {
		rest = rest[:end]
	}
	isBase64 := func(b byte) bool { return isAlphanumeric(b) || b == '+' || b == '/' || b == '=' }
	return slices.Contains(c.Values, kind) && len(rest) >= 40 && strings.HasPrefix(rest, "AAAA") && all(rest, isBase64) &&
		!hasControl(text)
}

// parseDecimal parses a decimal number without leading zeros, which some programs read as octal.
func parseDecimal(text string, most int) (int, bool) {
	if text == "" || len(text) > 9 || !all(text, isDigit) || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	value, err := strconv.Atoi(text)
	return value, err == nil && value <= most
}

// parseIPv4 parses an IPv4 address.
func parseIPv4(text string) (uint32, bool) {
	address, err := netip.ParseAddr(text)
	if err != nil || !address.Is4() {
		return 0, false
	}
	bytes := address.As4()
	return binary.BigEndian.Uint32(bytes[:]), true
}

// isIPv6 reports whether text is an IPv6 address without a zone.
func isIPv6(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Is6() && address.Zone() == ""
}

// isLabel reports whether text is a label of a domain name.
func isLabel(text string) bool {
	return text != "" && len(text) <= 63 && text[0] != '-' && text[len(text)-1] != '-' &&
		all(text, func(b byte) bool { return isAlphanumeric(b) || b == '-' })
}

// isHost reports whether text is an IPv4 address or a domain name. The last label of a domain name is not a number.
func isHost(text string) bool {
	if _, ok := parseIPv4(text); ok {
		return true
	}
	labels := strings.Split(text, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return false
		}
	}
	return len(text) <= 253 && !all(labels[len(labels)-1], isDigit)
}

// isServer reports whether text is a host or an IPv6 address in brackets, a colon, and a port.
func isServer(text string) bool {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return false
	}
	host := text[:colon]
	port, ok := parseDecimal(text[colon+1:], 65535)
	if inner, found := strings.CutPrefix(host, "["); found {
		inner, closed := strings.CutSuffix(inner, "]")
		return ok && port > 0 && closed && isIPv6(inner)
	}
	return ok && port > 0 && isHost(host)
}

// network is an IPv4 network.
type network struct {
	address uint32
	bits    int // length of the prefix
}

func (n network) mask() uint32 { return uint32(^uint64(0) << (32 - n.bits)) } //nolint:gosec // keeps the low 32 bits

func (n network) overlaps(other network) bool {
	return (n.address^other.address)&n.mask()&other.mask() == 0
}

// parseNetwork parses ADDRESS/BITS.
func parseNetwork(text string) (network, bool) {
	host, length, found := strings.Cut(text, "/")
	address, good := parseIPv4(host)
	bits, ok := parseDecimal(length, 32)
	return network{address, bits}, found && good && ok
}

// Overlap reports whether two IPv4 networks have an address in common. An address counts as a network with one address.
func Overlap(a, b string) bool {
	one := check{Values: []string{b}}
	if !strings.Contains(b, "/") {
		one.Values[0] += "/32"
	}
	return !one.isOutside(a)
}
