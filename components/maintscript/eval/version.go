package eval

import "strings"

// compareVersions orders versions as deb-version(7) says: -1, 0 or 1.
func compareVersions(a, b string) int {
	epochA, upstreamA, revisionA := splitVersion(a)
	epochB, upstreamB, revisionB := splitVersion(b)
	for _, pair := range [][2]string{{epochA, epochB}, {upstreamA, upstreamB}, {revisionA, revisionB}} {
		if order := comparePart(pair[0], pair[1]); order != 0 {
			return order
		}
	}
	return 0
}

func splitVersion(v string) (epoch, upstream, revision string) {
	v = strings.TrimSpace(v)
	if before, after, found := strings.Cut(v, ":"); found {
		epoch, v = before, after
	}
	if at := strings.LastIndexByte(v, '-'); at >= 0 {
		return epoch, v[:at], v[at+1:]
	}
	return epoch, v, ""
}

func weight(text string, at int) int {
	if at >= len(text) {
		return 0
	}
	switch c := text[at]; {
	case c == '~':
		return -1
	case isDigit(c):
		return 0
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return int(c)
	default:
		return int(c) + 256
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func comparePart(a, b string) int {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		for i < len(a) && !isDigit(a[i]) || j < len(b) && !isDigit(b[j]) {
			x, y := weight(a, i), weight(b, j)
			if x != y {
				return sign(x - y)
			}
			i++
			j++
		}
		startA, startB := i, j
		for i < len(a) && isDigit(a[i]) {
			i++
		}
		for j < len(b) && isDigit(b[j]) {
			j++
		}
		x, y := strings.TrimLeft(a[min(startA, len(a)):min(i, len(a))], "0"), strings.TrimLeft(b[min(startB,
			len(b)):min(j, len(b))], "0")
		if len(x) != len(y) {
			return sign(len(x) - len(y))
		}
		if x != y {
			return strings.Compare(x, y)
		}
	}
	return 0
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
