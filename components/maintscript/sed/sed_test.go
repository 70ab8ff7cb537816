package sed

import (
	"errors"
	"testing"
)

// TestPrograms: what GNU sed prints for the same program and input.
func TestPrograms(t *testing.T) {
	const input = "one\ntwo 2\n\nthree/3\nfour\n"
	for _, test := range []struct {
		program  string
		extended bool
		quiet    bool
		want     string
	}{
		{"s/o/0/", false, false, "0ne\ntw0 2\n\nthree/3\nf0ur\n"},
		{"s/o/0/2", false, false, input},
		{"s,/,|,g;p", false, true, "one\ntwo 2\n\nthree|3\nfour\n"},
		{"/two/,/^$/d", false, false, "one\nthree/3\nfour\n"},
		{"2,3!d", false, false, "two 2\n\n"},
		{"$!N;P;D", false, false, input},
		{"$=", false, true, "5\n"},
		{"1~2p", false, true, "one\n\nfour\n"},
		{"2q", false, false, "one\ntwo 2\n"},
		{"/^$/a\\\nadded\\\nmore", false, false, "one\ntwo 2\n\nadded\nmore\nthree/3\nfour\n"},
		{"1i first", false, false, "first\none\ntwo 2\n\nthree/3\nfour\n"},
		{"/t/c\\changed", false, false, "one\nchanged\n\nchanged\nfour\n"},
		{"y/abcdefghijklmnopqrstuvwxyz/ABCDEFGHIJKLMNOPQRSTUVWXYZ/;q", false, false, "ONE\n"},
		{`s/\([a-z]*\) \([0-9]\)/\2 \1/p`, false, true, "2 two\n"},
		{`s/([a-z]+)[/ ]([0-9])/<\U\1\E&>/p`, true, true, "<TWOtwo 2>\n<THREEthree/3>\n"},
		{":a;N;$!ba;s/\\n/,/g", false, false, "one,two 2,,three/3,four\n"},
		{"/one/{n;s/2/zwei/;}", false, false, "one\ntwo zwei\n\nthree/3\nfour\n"},
		{"s/[/]3$/x/;t;s/^.*$/-/", false, false, "-\n-\n-\nthreex\n-\n"},
		{"/TWO/Id", false, false, "one\n\nthree/3\nfour\n"},
		{"0,/e/s/e/E/", false, false, "onE\ntwo 2\n\nthree/3\nfour\n"},
		{"2,+1d", false, false, "one\nthree/3\nfour\n"},
		{"s/x*/-/g;1!d", false, false, "-o-n-e-\n"},
		{"$d;x;1d", false, false, "one\ntwo 2\n\n"},
		{`s/a\|o/X/g;q`, false, false, "Xne\n"},
		{`s/^\(o\)\{1\}/[&]/;q`, false, false, "[o]ne\n"},
	} {
		program, err := Parse(test.program, test.extended)
		if err != nil {
			t.Errorf("%q: %v", test.program, err)
			continue
		}
		got, _, err := program.Run(input, Options{Quiet: test.quiet})
		if err != nil || got != test.want {
			t.Errorf("%q gives %q, wanted %q (%v)", test.program, got, test.want, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, program := range []string{"s/a/b", "e ls", "s/a/b/e", `s/\(a\)\1/b/`, "b nowhere", "{p", "k", "1,p"} {
		if _, err := Parse(program, false); err == nil {
			t.Errorf("%q was accepted", program)
		}
	}
}

func TestStepsCanEndARun(t *testing.T) {
	program, err := Parse(":a;ba", false)
	if err != nil {
		t.Fatal(err)
	}
	steps, stop := 0, errors.New("enough")
	_, _, err = program.Run("x\n", Options{Step: func() error {
		if steps++; steps > 1000 {
			return stop
		}
		return nil
	}})
	if !errors.Is(err, stop) {
		t.Errorf("ended with %v", err)
	}
}

// TestExpressions: basic and extended expressions mean what POSIX says.
func TestExpressions(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		extended      bool
		want          bool
	}{
		{"a*b", "aab", false, true}, {"*a", "*a", false, true}, {"a+", "a+", false, true}, {"a+", "aa", false, false},
		{"a+$", "aa", true, true}, {`a\+$`, "aa", false, true}, {"a{2}", "a{2}", false, true}, {"a{2}", "aa", true, true},
		{"[[:space:]]x", "\tx", false, true}, {"[]a]", "]", false, true}, {"[^]a]", "]", false, false},
		{`[\.]`, `\`, false, true},
		{"^a\\|^b", "b", false, true}, {"a|b", "a|b", false, true}, {"a|b", "b", true, true}, {`\<ab\>`, "x ab", false, true},
		{"a.c", "a\nc", false, true}, {"x^y$z", "x^y$z", false, true}, {`(`, "(", false, true}, {`\(a\)b`, "ab", false, true},
		{"{a}", "{a}", true, true},
	} {
		re, err := Compile(test.pattern, Flags{Extended: test.extended})
		if err != nil {
			t.Errorf("%q: %v", test.pattern, err)
			continue
		}
		if got := re.MatchString(test.text); got != test.want {
			t.Errorf("%q on %q: %v", test.pattern, test.text, got)
		}
	}
}
