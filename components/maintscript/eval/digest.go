package eval

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

func digest(c *call) int {
	o := c.options("bctqw", "check=c", "binary=b", "text=t", "quiet=q", "status=status", "strict=strict")
	sum := func(data []byte) string {
		switch c.name {
		case "md5sum":
			s := md5.Sum(data)
			return hex.EncodeToString(s[:])
		case "sha1sum":
			s := sha1.Sum(data)
			return hex.EncodeToString(s[:])
		case "sha512sum":
			s := sha512.Sum512(data)
			return hex.EncodeToString(s[:])
		}
		s := sha256.Sum256(data)
		return hex.EncodeToString(s[:])
	}
	status := 0
	if o.has("c") {
		data, _ := c.inputs(o.rest)
		for _, line := range lines(data) {
			want, name, _ := strings.Cut(line, " ")
			name = strings.TrimLeft(name, " *")
			content, err := c.read(name)
			verdict := "OK"
			if err != nil || sum(content) != want {
				verdict, status = "FAILED", 1
			}
			if !o.has("status") && !(o.has("q") && verdict == "OK") {
				c.print("%s: %s\n", name, verdict)
			}
		}
		return status
	}
	names := o.rest
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, name := range names {
		data, err := c.read(name)
		if err != nil {
			status = c.failed("cannot read", name, err)
			continue
		}
		c.print("%s  %s\n", sum(data), name)
	}
	return status
}

func base64Command(c *call) int {
	o := c.options("dw:i", "decode=d", "wrap:=w")
	data, status := c.inputs(o.rest)
	if o.has("d") {
		out, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(data)), ""))
		if err != nil {
			return c.error("invalid input")
		}
		c.print("%s", out)
		return status
	}
	text := base64.StdEncoding.EncodeToString(data)
	for width := 76; o.value("w", "") != "0" && len(text) > width; text = text[width:] {
		c.print("%s\n", text[:width])
	}
	c.print("%s\n", text)
	return status
}

// cmp and diff tell whether files are equal; their other output is for readers.
func cmp(c *call) int {
	o := c.options("sqaubBwiNrEZU:cl", "silent=s", "quiet=s", "brief=q", "unified::=u", "ignore-all-space=w",
		"recursive=r")
	if len(o.rest) < 2 {
		c.error("two files are needed")
		return 2
	}
	if o.has("w") || o.has("b") || o.has("B") || o.has("i") {
		return c.refuse("this option of diff is not modelled")
	}
	a, errA := c.read(o.rest[0])
	b, errB := c.read(o.rest[1])
	if errA != nil || errB != nil {
		c.error("cannot read %s or %s", o.rest[0], o.rest[1])
		return 2
	}
	if bytes.Equal(a, b) {
		return 0
	}
	if !o.has("s") {
		c.print("%s %s differ\n", o.rest[0], o.rest[1])
	}
	return 1
}
