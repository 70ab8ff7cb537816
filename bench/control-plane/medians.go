// The table of many runs: median, least and most of each number, by variant.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// printMedians reads rows and prints a table in Markdown. Lines that are no rows are passed over.
func printMedians(in io.Reader, out io.Writer) error {
	var variants, paths []string
	values := map[string]map[string][]float64{} // by path and variant
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row map[string]any
		if !strings.HasPrefix(lines.Text(), "{") || json.Unmarshal(lines.Bytes(), &row) != nil {
			continue
		}
		variant, isRow := row["variant"].(string)
		if !isRow {
			continue
		}
		if !slices.Contains(variants, variant) {
			variants = append(variants, variant)
		}
		for _, about := range []string{"variant", "run", "settings"} {
			delete(row, about)
		}
		flatten("", row, func(path string, value float64) {
			if values[path] == nil {
				values[path] = map[string][]float64{}
				paths = append(paths, path)
			}
			values[path][variant] = append(values[path][variant], value)
		})
	}
	if err := lines.Err(); err != nil {
		return err
	}
	sort.Strings(paths)
	fmt.Fprintf(out, "| |%s\n|---|%s\n", cells(variants, func(v string) string { return v }),
		cells(variants, func(string) string { return "---" }))
	for _, path := range paths {
		fmt.Fprintf(out, "| %s |%s\n", path, cells(variants, func(v string) string { return summary(values[path][v]) }))
	}
	return nil
}

func cells(variants []string, text func(string) string) string {
	var line strings.Builder
	for _, variant := range variants {
		line.WriteString(" " + text(variant) + " |")
	}
	return line.String()
}

// flatten gives all numbers of a JSON value with their path.
func flatten(path string, value any, give func(string, float64)) {
	switch value := value.(type) {
	case float64:
		give(path, value)
	case map[string]any:
		for key, member := range value {
			flatten(strings.TrimPrefix(path+" "+key, " "), member, give)
		}
	}
}

// summary is "median (least to most)".
func summary(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return fmt.Sprintf("%s (%s to %s)", short(median), short(sorted[0]), short(sorted[len(sorted)-1]))
}

// short is a number with three digits or all before the point.
func short(value float64) string {
	switch {
	case value >= 100:
		return fmt.Sprintf("%.0f", value)
	case value >= 10:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.2f", value)
}
