// Package chain_test evaluates the chain 100310-100313 over recorded archives.
package chain_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"invigil/config/source"
	"invigil/connectors/alertfmt"
	"invigil/connectors/file"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
	"invigil/state"
)

var update = flag.Bool("update", false, "write alerts.json anew")

const manager = "wazuh-manager"

// TestChainAlerts: each operation on a port ends in its own rule, another one
// in the rule that picks the table, another table nowhere.
func TestChainAlerts(t *testing.T) {
	got := evaluate(t, "rules.xml", "archives.json")
	if *update {
		if err := os.WriteFile("alerts.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("alerts.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the chain gives\n%swant alerts.json:\n%s", got, want)
	}
}

// TestTranslatedChainAlertsAlike: the YAML that translation makes of the chain
// gives the same bytes.
func TestTranslatedChainAlertsAlike(t *testing.T) {
	data, err := os.ReadFile("rules.xml")
	if err != nil {
		t.Fatal(err)
	}
	f, ds := wazuhxml.Read(source.File{Name: "rules.xml", Data: data}, pattern.Compat4)
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := rulefile.Write(&text, f); err != nil {
		t.Fatal(err)
	}
	translated := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(translated, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	xml, yaml := evaluate(t, "rules.xml", "archives.json"), evaluate(t, translated, "archives.json")
	if len(xml) == 0 || !bytes.Equal(xml, yaml) {
		t.Errorf("XML gives\n%sits translation\n%s", xml, yaml)
	}
}

// evaluate returns the alerts as lines of alerts.json.
func evaluate(t *testing.T, ruleFile, events string) []byte {
	t.Helper()
	store, err := state.OpenMemory(state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	set, ds := rules.Load([]string{ruleFile}, rules.Options{Manager: manager})
	if len(ds) > 0 {
		t.Fatalf("%s: %v", ruleFile, ds)
	}
	p, err := pipeline.New(pipeline.Options{Store: store, Rules: set, Decoder: syscollector.Options{Manager: manager}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	format, err := alertfmt.Format("wazuh")
	if err != nil {
		t.Fatal(err)
	}
	in, err := file.Open(file.Options{Paths: []string{events}})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out []byte
	for {
		messages, err := in.Read(context.Background())
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		res, err := p.Process(messages)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.DeadLetters) > 0 {
			t.Fatalf("dead letters: %v", res.DeadLetters)
		}
		for i := range res.Alerts {
			if out, err = format.Append(out, &res.Alerts[i]); err != nil {
				t.Fatal(err)
			}
			out = append(out, '\n')
		}
	}
}
