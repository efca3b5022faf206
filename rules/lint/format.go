package lint

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"invigil/config/source"
)

// Formats are the names of the formats that Write knows.
func Formats() []string { return []string{"text", "json", "github", "sarif"} }

// Write writes findings in a format: text, a line each as
// file:line:col: severity: rule ID: message (advice); json, an array of
// {file, line, column, severity, rule, message}; github, workflow commands that
// GitHub shows beside the lines; sarif, a SARIF 2.1.0 log.
func (fs Findings) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return fs.text(w)
	case "json":
		return fs.json(w)
	case "github":
		return fs.github(w)
	case "sarif":
		return fs.sarif(w)
	}
	return fmt.Errorf("format %q is not known: use %s", format, strings.Join(Formats(), ", "))
}

func (fs Findings) text(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, f := range fs {
		fmt.Fprintln(b, f.Error())
	}
	return b.Flush()
}

// message is what is wrong, with the advice behind it.
func (f Finding) message() string {
	if f.Hint == "" {
		return f.Message
	}
	return f.Message + " (" + f.Hint + ")"
}

// ruled is message with the rule in front.
func (f Finding) ruled() string {
	if f.Rule == "" {
		return f.message()
	}
	return "rule " + f.Rule + ": " + f.message()
}

func (fs Findings) json(w io.Writer) error {
	type entry struct {
		File     string `json:"file"`
		Line     int    `json:"line"`
		Column   int    `json:"column"`
		Severity string `json:"severity"`
		Rule     string `json:"rule"`
		Message  string `json:"message"`
	}
	list := make([]entry, 0, len(fs))
	for _, f := range fs {
		list = append(list, entry{f.Pos.File, f.Pos.Line, f.Pos.Column, f.Severity.String(), f.Rule, f.message()})
	}
	return writeJSON(w, list)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// github writes workflow commands. Their text escapes %, CR and LF, the values
// of their properties : and , too.
func (fs Findings) github(w io.Writer) error {
	level := map[source.Severity]string{source.Error: "error", source.Warning: "warning", source.Info: "notice"}
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	b := bufio.NewWriter(w)
	for _, f := range fs {
		fmt.Fprintf(b, "::%s file=%s,line=%d,col=%d,title=%s::%s\n",
			level[f.Severity], property.Replace(filepath.ToSlash(f.Pos.File)), f.Pos.Line, f.Pos.Column, property.Replace("invigil "+f.Check), text.Replace(f.ruled()))
	}
	return b.Flush()
}

// The part of SARIF 2.1.0 that is written.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string      `json:"id"`
		Short   sarifText   `json:"shortDescription"`
		Default sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
)

var sarifLevel = map[source.Severity]string{source.Error: "error", source.Warning: "warning", source.Info: "note"}

// sarif writes a log of one run; its rules are the checks.
func (fs Findings) sarif(w io.Writer) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver.Name = "invigil"
	for _, c := range append([]CheckInfo{
		{CheckLoad, source.Error, "what reading and loading the rules reports"},
		{CheckRefused, source.Info, "Wazuh refuses the file and does not start with it"},
	}, Checks()...) {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{c.Name, sarifText{c.Doc}, sarifConfig{sarifLevel[c.Severity]}})
	}
	for _, f := range fs {
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Check, Level: sarifLevel[f.Severity], Message: sarifText{f.ruled()},
			Locations: []sarifLocation{{sarifPhysical{
				Artifact: sarifArtifact{(&url.URL{Path: filepath.ToSlash(f.Pos.File)}).String()},
				Region:   sarifRegion{f.Pos.Line, f.Pos.Column},
			}}},
		})
	}
	return writeJSON(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}
