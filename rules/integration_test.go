package rules_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/config/source"
	"invigil/connectors/alertfmt"
	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// integrationCase is one case of the original's own integration tests.
type integrationCase struct {
	Name          string         `yaml:"name"`
	Description   string         `yaml:"description"`
	Configuration map[string]any `yaml:"configuration_parameters"`
	Metadata      struct {
		RulesFile string `yaml:"rules_file"`
		Header    string `yaml:"event_header"`
		Payload   string `yaml:"event_payload"`
		Want      struct {
			Rule string `yaml:"rule.id"`
			Data string `yaml:"data"`
		} `yaml:"alert_expected_values"`
	} `yaml:"metadata"`
}

// TestIntegrationCasesOfTheOriginal runs cases that are not part of this
// repository: INVIGIL_CONFORMANCE names their folder's parent.
func TestIntegrationCasesOfTheOriginal(t *testing.T) {
	dir := os.Getenv("INVIGIL_CONFORMANCE")
	if dir == "" {
		t.Skip("INVIGIL_CONFORMANCE is not set")
	}
	dir = filepath.Join(dir, "wazuh-integration")
	text, err := os.ReadFile(filepath.Join(dir, "cases.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []integrationCase
	if ds := source.Decode(source.File{Name: "cases.yaml", Data: text}, &cases); ds.Err() != nil {
		t.Fatal(ds)
	}
	if len(cases) != 24 {
		t.Errorf("%d cases, want 24", len(cases))
	}
	set, ds := rules.Load([]string{filepath.Join(dir, "rules.xml")}, rules.Options{})
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	format, err := alertfmt.Format("wazuh")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			e, err := set.NewEvaluator(&memory{}, &memory{})
			if err != nil {
				t.Fatal(err)
			}
			line := "d:[001] " + c.Metadata.Header + c.Metadata.Payload
			ev, err := syscollector.NewDecoder(syscollector.Options{}).Decode([]byte(line), syscollector.Meta{Time: 1})
			if err != nil {
				t.Fatal(err)
			}
			alerts, err := e.Eval(&rules.Input{Event: ev})
			if err != nil || len(alerts) != 1 {
				t.Fatalf("%d alerts, %v", len(alerts), err)
			}
			b, err := format.Append(nil, &alerts[0])
			if err != nil {
				t.Fatal(err)
			}
			var got shownAlert
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			if got.Rule.ID != c.Metadata.Want.Rule {
				t.Errorf("rule %s, want %s", got.Rule.ID, c.Metadata.Want.Rule)
			}
			if d := cmp.Diff(members(json.RawMessage(c.Metadata.Want.Data)), members(got.Data)); d != "" {
				t.Errorf("data: -want +got\n%s", d)
			}
		})
	}
}
