package eval

import (
	"sort"
	"strings"
)

// first is what dpkg configures before all else on a new system: others rely on it without naming it.
var first = []string{"base-files", "base-passwd", "libc6", "dpkg", "dash", "bash", "coreutils", "debianutils"}

// Order sorts packages as dpkg configures them: a package after those that it depends on; otherwise by name. In a
// circle
// of dependencies the first name that was reached comes last.
func Order(packages []*Package) []*Package {
	byName := map[string]*Package{}
	sorted := append([]*Package(nil), packages...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Name < sorted[j].Name })
	for _, p := range sorted {
		for _, each := range relations(p.Fields["Provides"]) {
			for _, name := range each {
				if _, known := byName[name]; !known {
					byName[name] = p
				}
			}
		}
	}
	for _, p := range sorted {
		byName[p.Name] = p
	}
	var order []*Package
	seen := map[*Package]bool{}
	var visit func(p *Package)
	visit = func(p *Package) {
		if p == nil || seen[p] {
			return
		}
		seen[p] = true
		for _, field := range []string{"Pre-Depends", "Depends"} {
			for _, alternatives := range relations(p.Fields[field]) {
				for _, name := range alternatives {
					if byName[name] != nil {
						visit(byName[name])
						break
					}
				}
			}
		}
		order = append(order, p)
	}
	for _, name := range first {
		visit(byName[name])
	}
	for _, p := range sorted {
		if p.Fields["Essential"] == "yes" {
			visit(p)
		}
	}
	for _, p := range sorted {
		visit(p)
	}
	return order
}

// relations reads "a (>= 1) | b:any, c" as names.
func relations(field string) [][]string {
	var all [][]string
	for _, relation := range strings.Split(strings.ReplaceAll(field, "\n", " "), ",") {
		var names []string
		for _, alternative := range strings.Split(relation, "|") {
			name, _, _ := strings.Cut(strings.TrimSpace(alternative), " ")
			name, _, _ = strings.Cut(name, "(")
			name, _, _ = strings.Cut(name, ":")
			if name != "" {
				names = append(names, name)
			}
		}
		if names != nil {
			all = append(all, names)
		}
	}
	return all
}
