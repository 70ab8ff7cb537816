package eval

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// date tells the time of the build, SOURCE_DATE_EPOCH.
func date(c *call) int {
	o := c.options("ud:RI:r:", "utc=u", "universal=u", "date:=d", "rfc-email=R", "rfc-2822=R", "iso-8601::=I",
		"reference:=r",
		"rfc-3339:=rfc")
	when := time.Unix(c.m.Request.Date, 0).UTC()
	if text := o.value("d", ""); text != "" {
		seconds, err := strconv.ParseInt(strings.TrimPrefix(text, "@"), 10, 64)
		switch {
		case strings.HasPrefix(text, "@") && err == nil:
			when = time.Unix(seconds, 0).UTC()
		case text == "now" || text == "today":
		default:
			parsed, ok := parseDate(text)
			if !ok {
				c.refuse("date -d %q is not modelled", text)
			}
			when = parsed
		}
	}
	if o.has("r") {
		n, err := c.m.FS.Stat(c.path(o.value("r", "")), true)
		if err != nil {
			return c.failed("cannot look at", o.value("r", ""), err)
		}
		when = time.Unix(n.MTime, 0).UTC()
	}
	switch {
	case o.has("R"):
		c.print("%s\n", when.Format("Mon, 02 Jan 2006 15:04:05 +0000"))
	case o.has("I") || o.has("rfc"):
		c.print("%s\n", when.Format("2006-01-02"))
	case len(o.rest) == 0:
		c.print("%s\n", when.Format("Mon Jan _2 15:04:05 UTC 2006"))
	case strings.HasPrefix(o.rest[0], "+"):
		c.print("%s\n", c.strftime(o.rest[0][1:], when))
	default:
		return c.refuse("the script sets the clock")
	}
	return 0
}

func (c *call) strftime(format string, when time.Time) string {
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'b': "Jan",
		'B': "January", 'a': "Mon", 'A': "Monday", 'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'Z': "UTC",
		'z': "+0000", 'e': "_2", 'j': "002", 'h': "Jan", 'R': "15:04", 'I': "03", 'p': "PM",
		'c': "Mon Jan _2 15:04:05 2006"}
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 >= len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		if format[i] == '-' && i+1 < len(format) {
			i++
		}
		switch layout, ok := layouts[format[i]]; {
		case ok:
			out.WriteString(when.Format(layout))
		case format[i] == 's':
			fmt.Fprint(&out, when.Unix())
		case format[i] == 'N':
			out.WriteString("000000000")
		case format[i] == 'n':
			out.WriteByte('\n')
		case format[i] == '%':
			out.WriteByte('%')
		default:
			c.refuse("%%%c of date is not modelled", format[i])
		}
	}
	return out.String()
}

// parseDate reads the forms that date itself prints.
func parseDate(text string) (time.Time, bool) {
	for _, layout := range []string{"Mon Jan _2 15:04:05 MST 2006", "2006-01-02", "2006-01-02 15:04:05",
		"Mon, 02 Jan 2006 15:04:05 -0700", "2006-01-02T15:04:05Z07:00"} {
		if when, err := time.Parse(layout, text); err == nil {
			return when.UTC(), true
		}
	}
	return time.Time{}, false
}
