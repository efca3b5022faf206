package alertfmt_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"invigil/connectors/alertfmt"
	"invigil/pipeline/syscollector"
	"invigil/rules"
)

var update = flag.Bool("update", false, "write the golden files")

// samples are alerts by the name of their golden file.
func samples() map[string]*rules.Alert {
	port := []rules.Datum{
		{Name: "type", Value: "port"}, {Name: "port.protocol", Value: "tcp"}, {Name: "port.local_port", Value: "1514"},
		{Name: "port.process", Value: ""}, {Name: "PORT.protocol", Value: "second of its name"}, {Name: "type.below", Value: "prefix is a value"},
	}
	return map[string]*rules.Alert{
		"wazuh dialect": {
			Time: 1718375460207, Location: "(web-01) 10.0.0.5->syscollector", Manager: "wz-manager", Decoder: "syscollector",
			FullLog: `{"type":"port","port":{"local_port":1514}}`, Data: port,
			Agent: syscollector.Agent{ID: "001", Name: "web-01", IP: "10.0.0.5", Labels: []syscollector.Label{{Key: "site.city", Value: "Rome"}, {Key: "site.room", Value: "[1]"}}},
			Rule: rules.AlertRule{
				ID: "100224", Level: 12, Description: "Unexpected peer", GroupText: "local,syscollector,pci_dss_1.3.4,", Groups: []string{"local", "syscollector"},
				Compliance: []rules.Compliance{{Name: "pci_dss", Values: []string{"1.3.4"}}}, Mitre: []string{"T1571"}, CVE: "CVE-2024-1", Info: "see below",
				Frequency: 3, FiredTimes: 7, Mail: true,
			},
			PreviousOutput: []string{"second", "first"}, PreviousLog: "before",
		},
		"arrays": {
			Time: 1718375460000, Location: "syscollector", Manager: "wz-manager", Decoder: "syscollector", NoFullLog: true, FullLog: "{}",
			Agent: syscollector.Agent{ID: "000", Name: "wz-manager"},
			Rule:  rules.AlertRule{ID: "100001", Level: 3, Groups: []string{}},
			Data: []rules.Datum{
				{Name: "netinfo.iface.ipv4.address", Value: `["10.0.0.1", "10.0.0.2"]`}, {Name: "process.args", Value: `["a"] and more`}, {Name: "process.cmd", Value: "[]"},
			},
		},
		"bytes": {
			Time: 1718375460000, Location: "(a) any->syscollector", Decoder: "syscollector", FullLog: "\x00\x1f\x7f\"\\\n\t\xff\xc3é<>&\u2028",
			Agent: syscollector.Agent{ID: "002", Name: "a", IP: "any"},
			Rule:  rules.AlertRule{ID: "100001", Level: 3, Description: "line\nbreak", Groups: []string{"a", "a"}},
			Data:  []rules.Datum{{Name: "program.name", Value: "bad\xffbyte\n** Alert 1.1: - fake"}, {Name: "process.args", Value: "[\"\xff\"]"}},
		},
		"invigil dialect": {
			Time: 1718375460207, Location: "(web-01) any->syscollector", Manager: "wz-manager", Decoder: "syscollector", FullLog: "{}",
			Agent: syscollector.Agent{ID: "001", Name: "web-01", Groups: []string{"web"}},
			Rule:  rules.AlertRule{ID: "new-port", Level: 5, Description: "new port 22", Groups: []string{"network"}},
			Data:  []rules.Datum{{Name: "port.protocol", Value: "tcp"}, {Name: "port.local_port", Value: int64(22)}, {Name: "hardware.cpu_mhz", Value: 1992.5}},
			Extras: &rules.Extras{
				Status: "resolved", Reason: "row changed", Change: "modified", Changed: []string{"port.state"}, Suppressed: 2,
				Before: []rules.Datum{{Name: "port.state", Value: "listening"}, {Name: "port.local_port", Value: int64(22)}},
				Items:  [][]rules.Datum{{{Name: "program.name", Value: "nc"}}, nil},
			},
		},
	}
}

func TestFormatsAreAsRecorded(t *testing.T) {
	for _, format := range alertfmt.Names() {
		f, err := alertfmt.FormatIn(format, time.FixedZone("", 2*3600))
		if err != nil {
			t.Fatal(err)
		}
		for name, a := range samples() {
			t.Run(format+"/"+name, func(t *testing.T) {
				got, err := f.Append([]byte(">"), a)
				if err != nil {
					t.Fatal(err)
				}
				if format != "text" && (!json.Valid(got[1:]) || !utf8.Valid(got)) {
					t.Errorf("no valid JSON: %s", got)
				}
				golden := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+"."+format)
				if *update {
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), string(got)); d != "" {
					t.Errorf("-want +got\n%s", d)
				}
			})
		}
	}
}

func TestUnknownFormatsAreRefusedWithAHint(t *testing.T) {
	for name, hint := range map[string]string{"wazu": `did you mean "wazuh"?`, "xml": "use wazuh, native or text"} {
		if _, err := alertfmt.Format(name); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFormatsAreValidJSON(f *testing.F) {
	f.Add("port.process", "[\"a\"]", "log \xff")
	f.Add("a.b.c", "\x00\x1b", "")
	f.Add("..", "x", "\u2028")
	f.Fuzz(func(t *testing.T, name, value, log string) {
		a := &rules.Alert{
			FullLog: log, Location: log, Agent: syscollector.Agent{Name: value, Labels: []syscollector.Label{{Key: name, Value: value}}},
			Rule: rules.AlertRule{Description: value, Groups: []string{name}},
			Data: []rules.Datum{{Name: name, Value: value}, {Name: name + ".x", Value: value}, {Name: "a." + name, Value: value}},
		}
		for _, format := range []string{"wazuh", "native"} {
			formatter, err := alertfmt.Format(format)
			if err != nil {
				t.Fatal(err)
			}
			got, err := formatter.Append(nil, a)
			if err != nil || !json.Valid(got) || !utf8.Valid(got) {
				t.Fatalf("%s: %q %v", format, got, err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	a := samples()["wazuh dialect"]
	for _, name := range alertfmt.Names() {
		b.Run(name, func(b *testing.B) {
			f, err := alertfmt.Format(name)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				if buf, err = f.Append(buf[:0], a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
